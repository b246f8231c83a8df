"use strict";
// The status page: asks api/status every few seconds and shows the answer. Texts are written as
// text, never as markup, so nothing that an app or the platform says can become part of the page.

const REFRESH_MS = 5000;
/** So many rows of a list are shown on a small screen. */
const FOLDED = 3;
/** So many lanes are named that operators have paused and in which nothing is due. */
const NAMED = 5;
const SVG = "http://www.w3.org/2000/svg";

const WORDS = {
  en: {
    overview: "Overview", pending: "Pending", oldest: "Oldest waiting", throughput: "Throughput, this courier", failed: "Failed, this courier",
    paused: "Lanes on hold", flow: "Flow to the platform", lanes: "Lanes with most pending",
    failures: "Last failures", instances: "Couriers", links: "Raw data",
    about: (s) => `${s.version} on ${s.host}, up ${span(s.uptime_seconds)}`,
    refreshed: "Refreshes every 5 seconds; the charts show the last hour of this courier.",
    noCurve: "The curve begins in a moment.", hourAgo: (seconds) => `${span(seconds)} ago`, now: "now", most: (value) => `most: ${value}`,
    ago: (time) => `${time} ago`, asOf: (time) => `as of ${time}`, goneIn: (time) => `gone in about ${time}`, gone: "Gone in", keptBack: "on hold", locked: "locked",
    more: (n) => `and ${n} more`, showAll: (n) => `Show ${n} more`, times: (n) => `${n} times`,
    allLanes: "all lanes", everybody: "everything",
    due: (n) => `${n} due`, held: (n) => `${n} on hold`, deferred: (n) => `${n} for later`,
    nothingDue: "nothing is due", sinceDue: "since it was due",
    perSecond: (n) => `${n} contacts/s`, contactsSince: (n) => `${n} delivered since the start`,
    failedSince: (n) => `${n} since the start`,
    noPaused: "No lane is on hold.", idlePauses: (names) => `Paused by an operator, with nothing due: ${names}.`, noLanes: "No contacts are waiting.", noFailures: "No contact has failed.",
    notKnown: "Not known: the database has not answered yet.",
    laneHead: "Lane", why: "Why", pausedFor: "On hold for", next: "Next try", waiting: "Waiting",
    state: "State", worker: "Worked by", contact: "Newest contact", howMany: "Contacts", kind: "Kind", when: "When", host: "Host", process: "Process",
    started: "Started", beat: "Last heartbeat", soon: "as soon as possible", whenResumed: "when somebody resumes", inTime: (time) => `in ${time}`,
    endsIn: (time) => `ends in ${time}`, endsWhenResumed: "ends when somebody resumes",
    tried: (n) => n === 1 ? "1 failure" : `${n} failures in a row`,
    captions: {
      paused: (n) => `The longest on hold first, at most ${n}.`, lanes: (n) => `The fullest first, at most ${n}.`,
      failures: (n, m) => `${m.isAll ? (m.n === 1 ? "1 failure" : `All ${whole.format(m.n)} failures`) : `The newest ${whole.format(m.n)} failures`} by lane and cause, the newest first; numbers are masked.`,
      instances: () => "All couriers on this database.",
    },
    breaker: "Breaker", breakerOpen: "open: requests are held back", breakerClosed: "closed",
    rate: "Rate allowed", rateOf: (allowed, limit) => `${allowed} of ${limit} requests/s`, inFlight: "Requests in flight",
    requests: "Requests since the start", openBatches: "Open batches", platform: "Platform",
    states: { due: "waits for a courier", held: "on hold", leased: "at work", idle: "idle" },
    kinds: { invalid: "invalid", rejected: "rejected", duplicate: "duplicate", unconfirmed: "unconfirmed", expired: "expired", cancelled: "cancelled" },
    alive: "alive", silent: "silent", thisOne: "this one", sendsNothing: "alive, sends nothing",
    reasonFor: (why, time) => `${why}, for ${time}`,
    reasons: {
      unreachable: "Platform not reachable", answer_lost: "Answer lost", server_error: "Platform error",
      unreadable: "Answer not readable", redirected: "Redirected", rate_limited: "Too many requests",
      unauthorized: "Token not accepted", forbidden: "Not allowed for this user", blocked: "Turned away before the platform", not_found: "No such user or task",
      task_running: "Task is running: pause it", all_refused: "All refused alike", paused: "Paused by an operator", stopping: "Courier stopped",
      rows_not_writable: "Outcomes cannot be written",
    },
    hints: {
      unauthorized: "Check platform.token or platform.token_file.", forbidden: "The token may not act for this user_id.",
      blocked: "A firewall or proxy may not know this machine's address, or forbid what a contact holds.",
      not_found: "Check user_id, task_id and platform.base_url.", task_running: "Pause the task on the platform; sending then goes on by itself.",
      all_refused: "Something may be wrong with all of them, the task or the account; sending goes on slowly by itself.",
      redirected: "Redirects are not followed: correct platform.base_url.",
      rows_not_writable: "Look at the database's rights, triggers and space; sending then goes on by itself.",
    },
    heads: {
      gone: ["The courier does not answer", "What is shown is what it said last."],
      unhealthy: "The courier stands still", unhealthyMore: (loops) => `Standing still: ${loops}.`, stopping: "The courier is stopping",
      database: (time) => `The database has not answered for ${time}`, databaseFirst: "The database does not answer",
      stopped: (why) => `Nothing is sent: ${why}`, stoppedMore: (time, next) => `For ${time}; next try ${next}.`, pausedAllMore: (time, end) => `For ${time}; ${end}.`,
      noAnswerWithin: (seconds) => `No answer within ${seconds} s.`, heartbeatLate: "A heartbeat was not answered in time.",
      unready: {
        no_answer: (time) => `The database has not answered for ${time}`,
        no_writes: (time) => `The database has taken no writes for ${time}`,
        unfit: (time) => `The courier and the database have not fitted each other for ${time}`,
      },
      noCourier: "Nothing is sent: no courier runs",
      silent: (n, time) => n === 1 ? `Nothing is sent: the courier has been silent for ${time}` : `Nothing is sent: ${n} couriers have been silent for ${time}`,
      silentMore: "Perhaps it has ended, or the database takes no writes.",
      paused: (n) => n === "1" ? "1 lane is on hold" : `${n} lanes are on hold`,
      pausedMore: (n, others) => (n === "0" ? "" : n === "1" ? "1 contact waits in a lane on hold. " : `${n} contacts wait in lanes on hold. `) + (others ? "Other lanes go on." : "No other contact is due."),
      users: (n) => n === "1" ? "Nothing is sent for 1 user" : `Nothing is sent for ${n} users`,
      pausedAndUsers: (lanes, users) => `${lanes}; nothing is sent for ${users === "1" ? "1 user" : `${users} users`}`,
      usersMore: (others) => others ? "Others are sent as usual." : "",
      ended: "Nothing waits", endedMore: (done, bad, cancelled) => `Of the newest ${done + bad + cancelled} contacts ${done} were delivered${cancelled ? `, ${bad} failed and ${cancelled} were cancelled.` : ` and ${bad} failed.`}`,
      allCancelledMore: (n) => n === 1 ? "The newest contact was cancelled." : `The newest ${n} contacts were all cancelled.`,
      noneDelivered: "None of the newest contacts was delivered", noneDeliveredMore: (n) => n === 1 ? "The newest contact failed." : `The newest ${n} contacts all failed.`,
      empty: "No contact was inserted yet", emptyMore: "",
      delivering: "Delivering", deliveringMore: (n) => n === "1" ? "1 contact is due." : `${n} contacts are due.`,
      lockedAll: "Nothing goes on: another session keeps locks", lockedMore: (n, lanes) => `${n} of them, in ${lanes === "1" ? "1 lane" : `${lanes} lanes`}, ${n === "1" ? "waits" : "wait"} for locks that another session keeps.`,
      othersLocked: "The others wait for locks that another session keeps.",
      heldMore: (n) => n === "1" ? "1 contact is on hold." : `${n} contacts are on hold.`,
      later: "Nothing is due", laterMore: (n) => n === "1" ? "1 contact waits for its time." : `${n} contacts wait for their time.`,
      newestDoneMore: (n) => `The newest ${n} contacts were all delivered.`,
      done: "All delivered", doneMore: "No contact is waiting.", starting: "Looking at the database",
    },
    units: ["d", "h", "min", "s"], gap: " ", sentences: " ", comma: ", ",
    by: (who, host, why) => `by ${who} on ${host}${why && `: ${why}`}`,
  },
  zh: {
    overview: "概览", pending: "待发送", oldest: "最久等待", throughput: "速率（本实例）", failed: "失败（本实例）",
    paused: "暂停的通道", flow: "与平台的通信", lanes: "待发送最多的通道",
    failures: "最近的失败", instances: "运行中的实例", links: "原始数据",
    about: (s) => `${s.version}，主机 ${s.host}，已运行 ${span(s.uptime_seconds)}`,
    refreshed: "每 5 秒自动刷新；图表为本实例最近一小时的数据。",
    noCurve: "曲线稍后显示。", hourAgo: (seconds) => `${span(seconds)}前`, now: "现在", most: (value) => `最高 ${value}`,
    ago: (time) => `${time}前`, asOf: (time) => `截至 ${time}`, goneIn: (time) => `预计约 ${time}后发完`, gone: "预计发完", keptBack: "暂停中", locked: "等待锁",
    more: (n) => `另有 ${n} 个`, showAll: (n) => `再显示 ${n} 个`, times: (n) => `${n} 次`,
    allLanes: "全部通道", everybody: "全部",
    due: (n) => `${n} 个可发送`, held: (n) => `${n} 个暂停中`, deferred: (n) => `${n} 个未到时间`,
    nothingDue: "没有到期的号码", sinceDue: "从到期时算起",
    perSecond: (n) => `${n} 个号码/秒`, contactsSince: (n) => `启动以来成功 ${n} 个`,
    failedSince: (n) => `启动以来 ${n} 个`,
    noPaused: "没有暂停的通道。", idlePauses: (names) => `由运维人员暂停、没有到期号码的通道：${names}。`, noLanes: "没有等待发送的号码。", noFailures: "没有失败的号码。",
    notKnown: "暂无数据：数据库尚未应答。",
    laneHead: "通道", why: "原因", pausedFor: "已暂停", next: "下次尝试", waiting: "等待数",
    state: "状态", worker: "处理实例", contact: "最新号码", howMany: "号码数", kind: "类别", when: "时间", host: "主机", process: "进程",
    started: "启动于", beat: "最近心跳", soon: "尽快", whenResumed: "由运维人员恢复时", inTime: (time) => `${time}后`,
    endsIn: (time) => `${time}后结束`, endsWhenResumed: "由运维人员恢复时结束",
    tried: (n) => `连续失败 ${n} 次`,
    captions: {
      paused: (n) => `按暂停时长排序，最多 ${n} 个。`, lanes: (n) => `按数量排序，最多 ${n} 个。`,
      failures: (n, m) => `${m.isAll ? "全部" : "最新的"} ${whole.format(m.n)} 个失败号码，按通道和原因分组，最新的在前；号码已脱敏。`,
      instances: () => "使用此数据库的所有实例。",
    },
    breaker: "熔断器", breakerOpen: "已熔断：暂不发送", breakerClosed: "正常",
    rate: "允许的速率", rateOf: (allowed, limit) => `${allowed} / ${limit} 次请求/秒`, inFlight: "进行中的请求",
    requests: "启动以来的请求", openBatches: "未完成的批次", platform: "平台",
    states: { due: "等待处理", held: "暂停", leased: "处理中", idle: "空闲" },
    kinds: { invalid: "不合规", rejected: "被拒绝", duplicate: "重复", unconfirmed: "无法确认", expired: "超时放弃", cancelled: "已取消" },
    alive: "在线", silent: "无心跳", thisOne: "本实例", sendsNothing: "在线，但不发送",
    reasonFor: (why, time) => `${why}，已持续 ${time}`,
    reasons: {
      unreachable: "无法连接平台", answer_lost: "应答丢失", server_error: "平台错误",
      unreadable: "应答无法识别", redirected: "被重定向", rate_limited: "请求过于频繁",
      unauthorized: "令牌无效", forbidden: "无权操作此用户", blocked: "在平台之前被拦截", not_found: "用户或任务不存在",
      task_running: "任务正在运行，请先暂停", paused: "由运维人员暂停", all_refused: "整批因同一原因被拒", stopping: "实例已停止",
      rows_not_writable: "结果无法写入数据库",
    },
    hints: {
      unauthorized: "请检查 platform.token 或 platform.token_file。", forbidden: "此令牌无权操作该 user_id。",
      blocked: "防火墙或代理可能不认识本机地址，或者拦截了某个联系人的内容。",
      not_found: "请检查 user_id、task_id 和 platform.base_url。", task_running: "请在平台上暂停任务，之后会自动继续发送。",
      all_refused: "可能是这批号码、任务或账户有问题；程序会自动放慢并继续尝试。",
      redirected: "程序不跟随重定向：请修正 platform.base_url。",
      rows_not_writable: "请检查数据库的权限、触发器和空间，之后会自动继续发送。",
    },
    heads: {
      gone: ["程序没有应答", "以下为最后一次收到的数据。"],
      unhealthy: "程序卡住（工作循环停转）", unhealthyMore: (loops) => `停转的循环：${loops}。`, stopping: "程序正在停止",
      database: (time) => `数据库没有应答，已持续 ${time}`, databaseFirst: "数据库没有应答",
      stopped: (why) => `暂停发送：${why}`, stoppedMore: (time, next) => `已持续 ${time}；下次尝试：${next}。`, pausedAllMore: (time, end) => `已持续 ${time}；${end}。`,
      noAnswerWithin: (seconds) => `${seconds} 秒内没有应答。`, heartbeatLate: "心跳没有及时得到应答。",
      unready: {
        no_answer: (time) => `数据库没有应答，已持续 ${time}`,
        no_writes: (time) => `数据库无法写入，已持续 ${time}`,
        unfit: (time) => `程序与数据库不匹配，已持续 ${time}`,
      },
      noCourier: "暂停发送：没有运行中的实例",
      silent: (n, time) => `暂停发送：${n} 个实例已有 ${time}没有心跳`,
      silentMore: "实例可能已退出，也可能是数据库无法写入。",
      paused: (n) => `${n} 个通道暂停发送`, pausedMore: (n, others) => (n === "0" ? "" : `${n} 个号码在等待，`) + (others ? "其他通道照常发送。" : "没有其他到期的号码。"),
      users: (n) => `${n} 个用户的号码暂停发送`, pausedAndUsers: (lanes, users) => `${lanes}；另有 ${users} 个用户暂停发送`,
      usersMore: (others) => others ? "其他用户照常发送。" : "",
      ended: "没有等待的号码", endedMore: (done, bad, cancelled) => `最新的 ${done + bad + cancelled} 个号码中，成功 ${done} 个，失败 ${bad} 个${cancelled ? `，取消 ${cancelled} 个` : ""}。`,
      allCancelledMore: (n) => `最新的 ${n} 个号码全部已取消。`,
      noneDelivered: "最新的号码都没有发送成功", noneDeliveredMore: (n) => `最新的 ${n} 个号码全部失败。`,
      empty: "尚未写入任何号码", emptyMore: "",
      delivering: "正在发送", deliveringMore: (n) => `${n} 个号码等待发送。`,
      lockedAll: "发送停滞：其他会话持有锁", lockedMore: (n, lanes) => `其中 ${n} 个（${lanes} 个通道）在等待其他会话释放锁。`,
      othersLocked: "其余号码在等待其他会话释放锁。", heldMore: (n) => `${n} 个号码暂停中。`,
      later: "暂无到期号码", laterMore: (n) => `${n} 个号码未到发送时间。`,
      newestDoneMore: (n) => `最新的 ${n} 个号码全部发送成功。`,
      done: "全部发送完毕", doneMore: "没有等待的号码。", starting: "正在读取数据库",
    },
    units: ["天", "小时", "分", "秒"], gap: " ", sentences: "", comma: "、",
    by: (who, host, why) => `${who.replace(" (status page)", "（状态页）")} 于 ${host}${why && `：${why}`}`,
  },
};

const wanted = navigator.languages.find((language) => /^(zh|en)\b/i.test(language)) || "en";
const chinese = /^zh/i.test(wanted);
const say = chinese ? WORDS.zh : WORDS.en;
const locale = chinese ? "zh-CN" : "en";
document.documentElement.lang = locale;

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
/** A limit as it was set, not rounded to what is measured. */
const limit = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });
/** A part of a limit, with as many digits as tell it from the whole. */
const allowed = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const rate = (n) => (n >= 100 ? whole : fine).format(n);

const at = (id) => document.getElementById(id);

/** A time span in its two greatest units. */
function span(seconds) {
  const total = Math.round(seconds);
  const parts = [Math.floor(total / 86400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
  const first = parts.findIndex((n) => n > 0);
  if (first < 0) return `0 ${say.units[3]}`;
  return parts
    .map((n, unit) => (n > 0 && unit >= first && unit <= first + 1 ? `${n} ${say.units[unit]}` : ""))
    .filter((text) => text).join(say.gap);
}

/** An element with attributes and children; texts become text nodes. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const tag = (tone, text) => make("span", { class: "tag", "data-tone": tone }, text);
const lane = (row) => make("span", { class: "lane" }, `${row.user_id}/${row.task_id}`);
const ofLane = (row) => ({ way: "lane", what: `${row.user_id}/${row.task_id}` });
const words = (text) => (text ? make("span", { class: "words" }, text) : null);

/** Who paused, where and why, in the reader's language; why is in that person's words. */
function byWhom(text) {
  const [, who, host, why] = /^by (.+?) on ([^ :]+)(?:: (.*))?$/s.exec(text) || [];
  return who ? say.by(who, host, why || "") : text;
}

/** The platform's words without our advice at their end, and the advice in the reader's language. */
function message(s, row) {
  const advice = s.advice[row.reason];
  if (row.reason === "paused") return [words(byWhom(row.message))].filter((x) => x);
  const quoted = advice && row.message.endsWith(advice) ? row.message.slice(0, -advice.length) : row.message;
  return [words(quoted), words(say.hints[row.reason])].filter((x) => x);
}

/** The database's words without ours before them: the headline says ours in the reader's language. */
function databaseWords(text) {
  const late = /(?:no answer|does not answer|no database connection) within (\d+) s$/.exec(text);
  if (late) return say.heads.noAnswerWithin(late[1]);
  return text.endsWith("a heartbeat was not answered in time") ? say.heads.heartbeatLate : text.replace(/^the (?:database (?:does not answer|takes no writes|is read-only|failed)|server refused the login): /, "");
}

const reasonOf = (row) => say.reasons[row.reason] || row.reason;

/** When something is tried again. A pause is not tried, it ends. */
function nextTry(row) {
  const isPause = row.reason === "paused";
  if (row.until_resumed || (isPause && !row.next_try_in_seconds)) return say.whenResumed;
  const time = row.next_try_in_seconds > 0 ? span(row.next_try_in_seconds) : null;
  return time === null ? say.soon : isPause ? say.endsIn(time) : say.inTime(time);
}

/** The tables that the reader has unfolded on a small screen. */
const unfolded = new Set();

/** A table of rows, or words that say that there are none. Columns: [title, cell, class]. `total`: how many there are. `more`: what else the caption tells. */
function table(id, rows, columns, empty, limit, total, more) {
  if (!rows) return at(id).replaceChildren(make("p", { class: "empty" }, say.notKnown));
  if (!rows.length) return at(id).replaceChildren(make("p", { class: "empty" }, empty));
  const head = columns.map(([title, , kind]) => make("th", { scope: "col", role: "columnheader", class: kind || "" }, title));
  const body = rows.map((row) => make("tr", { role: "row" }, ...columns.map(([title, cell, kind]) =>
    make("td", { role: "cell", class: kind || "", "data-label": title },
      make("div", {}, ...[cell(row)].flat())))));
  const folded = Math.max(0, rows.length - FOLDED);
  const unfold = folded && !unfolded.has(id) ? make("button", { type: "button", class: "unfold" }, say.showAll(folded)) : null;
  if (unfold) unfold.addEventListener("click", () => { unfolded.add(id); unfold.previousSibling.classList.remove("folded"); unfold.remove(); });
  const left = (total || 0) - rows.length;
  const held = at(id).contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const parts = [make("table", { role: "table", class: unfold ? "folded" : "" },
    make("caption", {}, say.captions[id](limit, more)),
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...head)),
    make("tbody", { role: "rowgroup" }, ...body)), unfold, left > 0 ? make("p", { class: "quiet left" }, say.more(whole.format(left))) : null];
  at(id).replaceChildren(...parts.filter((x) => x));
  if (held) [...at(id).querySelectorAll("[data-key]")].find((element) => element.dataset.key === held)?.focus();
}

/** The last hour as a curve. A value that is not known is a gap. */
function chart(id, title, values, step, show) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) {
    at(id).replaceChildren(make("figcaption", {}, make("span", {}, say.noCurve)));
    return;
  }
  const most = Math.max(...known, 0);
  const svg = draw("svg", { viewBox: "0 0 360 56", preserveAspectRatio: "none", role: "img",
    "aria-label": `${title}: ${say.most(show(most))}` });
  svg.append(draw("line", { class: "base", x1: 0, x2: 360, y1: 56, y2: 56 }));
  const width = 360 / (values.length - 1);
  const y = (value) => (most > 0 ? 54 - (value / most) * 50 : 54).toFixed(1);
  let run = [];
  const finish = () => {
    if (run.length > 1) {
      const line = run.map(([x, value]) => `${x.toFixed(1)},${y(value)}`).join(" ");
      svg.append(draw("polygon", { class: "area", points: `${run[0][0].toFixed(1)},56 ${line} ${run.at(-1)[0].toFixed(1)},56` }));
      svg.append(draw("polyline", { class: "curve", points: line }));
    }
    run = [];
  };
  values.forEach((value, index) => (value === null ? finish() : run.push([index * width, value])));
  finish();
  at(id).replaceChildren(svg, make("figcaption", {},
    make("span", {}, say.hourAgo(values.length * step)),
    make("span", { class: "most" }, say.most(show(most))), make("span", {}, say.now)));
}

function tiles(s) {
  const { step_seconds: step, succeeded, failed, pending, oldest_seconds: oldest } = s.history;
  const o = s.outbox;
  const total = o && o.pending.due + o.pending.held + o.pending.deferred;
  at("pending").textContent = o ? whole.format(total) : "–";
  const parts = o ? ["due", "held", "deferred"].filter((kind) => o.pending[kind]) : [];
  const kinds = parts.map((kind) => say[kind](whole.format(o.pending[kind])));
  if (s.done_in_seconds) kinds.push(say.goneIn(span(s.done_in_seconds)));
  at("pending-more").textContent = kinds.join(" · ");
  chart("pending-chart", say.pending, pending, step, (n) => whole.format(n));

  const age = o && o.oldest_pending_seconds;
  at("oldest").textContent = !o || age === null ? "–" : span(age);
  at("oldest-more").textContent = o ? (age === null ? say.nothingDue : say.sinceDue) : "";
  chart("oldest-chart", say.oldest, oldest, step, span);

  const done = succeeded.map((n, index) => n + failed[index]);
  at("throughput").textContent = done.length ? say.perSecond(rate(done.at(-1))) : "–";
  at("throughput-more").textContent = say.contactsSince(whole.format(s.totals.succeeded));
  chart("throughput-chart", say.throughput, done, step, (n) => say.perSecond(rate(n)));

  const all = done.reduce((sum, n) => sum + n, 0);
  const bad = failed.reduce((sum, n) => sum + n, 0);
  at("failed").textContent = all > 0 ? percent.format(bad / all) : "–";
  at("failed-more").textContent = say.failedSince(whole.format(s.totals.failed));
  const share = failed.map((n, index) => (done[index] > 0 ? n / done[index] : 0));
  chart("failed-chart", say.failed, share, step, (n) => percent.format(n));
}

function flow(s) {
  const { level, limit_per_second: most } = s.rate;
  const meter = draw("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
  meter.append(draw("rect", { width: 100, height: 4, rx: 2 }), draw("rect", { width: level * 100, height: 4, rx: 2 }));
  const facts = [
    [say.breaker, tag(s.rate.breaker_open ? "bad" : "good", s.rate.breaker_open ? say.breakerOpen : say.breakerClosed)],
    [say.rate, say.rateOf(level < 1 ? allowed.format(level * most) : limit.format(most), limit.format(most)), meter],
    [say.inFlight, whole.format(s.rate.in_flight)],
    [say.openBatches, s.outbox ? whole.format(s.outbox.open_batches) : "–"],
    [say.requests, whole.format(s.totals.requests)],
    [say.platform, s.platform],
  ];
  at("flow").replaceChildren(...facts.map(([name, ...value]) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value))));
}

/** A cause without the ends of the numbers in it, as `failures --by cause` groups by it. */
const withoutNumbers = (cause) => cause && cause.replace(/\+?\d{0,3}\*{3,}\d{0,4}/g, "***");

/** Failures with the same cause in one lane stand together. */
function grouped(failures) {
  const groups = new Map();
  for (const row of failures || []) {
    const cause = withoutNumbers(row.fail_cause);
    const key = JSON.stringify([row.user_id, row.task_id, row.fail_kind, cause]);
    const group = groups.get(key);
    if (group) {
      group.ids.push(row.id);
      if (group.fail_cause !== row.fail_cause) group.fail_cause = cause;
    } else groups.set(key, { ...row, ids: [row.id] });
  }
  return failures && [...groups.values()];
}

/** What keeps everything back, users for whom nothing is sent, and lanes on hold. */
function paused(s) {
  if (!s.paused) return s.paused;
  const isStopped = s.conclusion && s.conclusion.state === "stopped";
  const gates = [...(isStopped ? [s.conclusion.gate] : []), ...s.held_users];
  return [...gates.map((gate) => ({ ...gate, all: true, held_seconds: gate.closed_seconds })), ...s.paused];
}

/** How many rows of these there are, shown or not. */
function pausedInAll(s) {
  if (!s.paused || !s.outbox) return 0;
  const unlisted = s.conclusion && s.conclusion.state === "partly" ? Math.max(0, s.conclusion.users - s.held_users.length) : 0;
  return paused(s).length - s.paused.length + unlisted + s.outbox.lanes.held_alone;
}

/** Says which lanes are paused though nothing is due in them. Of a full list nobody knows which are left out. */
function idlePauses(s) {
  if (!s.paused || !s.outbox || s.paused.length >= s.limits.paused) return null;
  const listed = new Set(s.paused.map((row) => `lane ${row.user_id}/${row.task_id}`));
  const scopes = s.outbox.pauses.map((pause) => pause.scope);
  const idle = scopes.filter((scope) => scope.startsWith("lane ") && !listed.has(scope)).map((scope) => scope.slice(5));
  if (!idle.length) return null;
  const more = idle.length > NAMED ? [say.more(whole.format(idle.length - NAMED))] : [];
  return say.idlePauses([...idle.slice(0, NAMED), ...more].join(say.comma));
}

/** The couriers: this one, then those that live, then those that are silent. */
function thisOneFirst(s) {
  const place = (row) => (row.id === s.instance ? 0 : row.alive ? 1 : 2);
  return [...s.outbox.instances].sort((a, b) => place(a) - place(b));
}

/** Whom a row of them is about. */
function whose(row) {
  if (!row.all) return lane(row);
  return make("span", { class: "lane" }, row.user_id === null ? say.allLanes : `${row.user_id} · ${say.allLanes}`);
}

/** How many contacts wait behind a row of them. For a user that is known while all lanes are listed. */
function waits(s, row) {
  if (!row.all) return whole.format(row.pending);
  const all = s.outbox.pending.due + s.outbox.pending.held + s.outbox.pending.deferred;
  const sum = (lanes) => lanes.reduce((total, one) => total + one.pending, 0);
  if (row.user_id === null) return whole.format(all);
  return s.lanes && sum(s.lanes) === all ? whole.format(sum(s.lanes.filter((one) => one.user_id === row.user_id))) : "–";
}

function tables(s) {
  const tones = { due: "warn", held: "warn", leased: "good", idle: "calm" };
  const [rows, idle] = [paused(s), idlePauses(s)];
  table("paused", rows, [
    [say.laneHead, whose, "wide"],
    [say.why, (row) => [reasonOf(row), ...message(s, row)], "wide"],
    [say.pausedFor, (row) => [span(row.held_seconds), row.failures ? words(say.tried(row.failures)) : null].filter((x) => x), "whole"],
    [say.next, (row) => nextTry(row), "whole"],
    [say.waiting, (row) => waits(s, row), "number"],
    ...actColumn((row) => inRow("resume", !row.all ? ofLane(row) : row.user_id === null ? { way: "all" } : { way: "user", what: row.user_id })),
  ], idle || say.noPaused, s.limits.paused, pausedInAll(s));
  if (idle && rows.length) at("paused").append(make("p", { class: "quiet left" }, idle));
  table("lanes", s.lanes, [
    [say.laneHead, lane, "wide"],
    [say.state, (row) => (row.locked ? [tag("warn", say.locked), row.locked.contact_id && words(`#${row.locked.contact_id}`)].filter((x) => x)
      : tag(tones[row.state] || "calm", say.states[row.state] || row.state))],
    [say.worker, (row) => (row.owner ? `${row.owner.host} · ${row.owner.pid}` : "–")],
    [say.oldest, (row) => (row.oldest_seconds === null ? "–" : span(row.oldest_seconds)), "number"],
    [say.pending, (row) => whole.format(row.pending), "number"],
    [say.gone, (row) => (row.done_in_seconds !== null ? span(row.done_in_seconds) : !row.kept_back ? "–" : row.locked ? say.locked : say.keptBack), "number"],
    ...actColumn((row) => inRow("pause", ofLane(row)), (row) => inRow("cancel", ofLane(row))),
  ], say.noLanes, s.limits.lanes);
  const failures = grouped(s.failures);
  const counted = failures && { n: s.failures.length, isAll: s.failures.length < s.limits.failures };
  table("failures", failures && failures.slice(0, s.limits.causes), [
    [say.contact, (row) => [make("span", { class: "phone" }, row.phone), words(`#${row.id}`)]],
    [say.laneHead, lane],
    [say.kind, (row) => tag("bad", say.kinds[row.fail_kind] || row.fail_kind)],
    [say.why, (row) => row.fail_cause, "wide"],
    [say.howMany, (row) => whole.format(row.ids.length), "number"],
    [say.when, (row) => say.ago(span(row.finished_seconds_ago)), "number"],
    // By id: a lane and a kind would take other causes, too.
    ...actColumn((row) => inRow("requeue", { way: "ids", what: row.ids.join(" ") })),
  ], say.noFailures, s.limits.causes, failures && failures.length, counted);
  table("instances", s.outbox && thisOneFirst(s), [
    [say.host, (row) => (row.id === s.instance ? [`${row.host} `, tag("calm", say.thisOne)] : row.host)],
    [say.process, (row) => String(row.pid)],
    [say.state, (row) => {
      if (!row.alive) return tag("bad", say.silent);
      const gate = row.standing && row.standing.gates.find((one) => one.user_id === null);
      return gate ? [tag("bad", say.sendsNothing), words(say.reasonFor(reasonOf(gate), span(gate.closed_seconds)))] : tag("good", say.alive);
    }],
    [say.beat, (row) => say.ago(span(row.heartbeat_seconds_ago)), "number"],
    [say.started, (row) => say.ago(span(row.started_seconds_ago)), "number"],
  ], say.notKnown, s.limits.instances);
}

/** The one thing to know first: [tone, what, more]. What follows from the database the courier has concluded. */
function verdict(s) {
  const heads = say.heads;
  if (s.health.status === "unhealthy") {
    const still = new Set(s.health.loops.filter((loop) => !loop.turning).map((loop) => loop.name));
    return ["bad", heads.unhealthy, heads.unhealthyMore([...still].sort().join(say.comma))];
  }
  if (s.health.status === "stopping") return ["calm", heads.stopping, ""];
  if (s.database.error) {
    const seen = s.database.seen_seconds_ago;
    return ["bad", seen === null ? heads.databaseFirst : heads.database(span(seen)), databaseWords(s.database.error)];
  }
  // A courier that cannot write its heartbeat would be concluded to be silent.
  if (s.ready.status === "unready") return ["bad", heads.unready[s.ready.trouble](span(s.ready.unready_seconds)), databaseWords(s.ready.reason)];
  if (!s.conclusion) return ["calm", heads.starting, ""];
  const c = s.conclusion;
  switch (c.state) {
    case "no_courier": {
      const due = c.due ? [heads.deliveringMore(whole.format(c.due))] : [];
      const held = c.held ? [heads.heldMore(whole.format(c.held))] : [];
      const more = [...due, ...held, ...(c.silent ? [heads.silentMore] : [])].join(say.sentences);
      return ["bad", c.silent ? heads.silent(c.silent, span(c.silent_seconds)) : heads.noCourier, more];
    }
    case "stopped": {
      const why = reasonOf(c.gate);
      const quoted = message(s, c.gate).map((part) => part.textContent);
      const [time, next] = [span(c.gate.closed_seconds), nextTry(c.gate)];
      const end = c.gate.next_try_in_seconds > 0 ? next : say.endsWhenResumed;
      const times = c.gate.reason === "paused" ? heads.pausedAllMore(time, end) : heads.stoppedMore(time, next);
      return ["bad", heads.stopped(why), [times, quoted.join(" · ")].join(" ")];
    }
    case "partly": {
      const [lanes, users, others] = [whole.format(c.lanes), whole.format(c.users), c.due > 0];
      const areLocked = others && c.locked >= c.due;
      if (areLocked) return ["bad", c.lanes ? heads.paused(lanes) : heads.users(users), heads.othersLocked];
      const [tone, more] = [others ? "warn" : "bad", heads.pausedMore(whole.format(c.contacts), others)];
      if (!c.users) return [tone, heads.paused(lanes), more];
      if (!c.lanes) return [tone, heads.users(users), heads.usersMore(others)];
      return [tone, heads.pausedAndUsers(heads.paused(lanes), users), more];
    }
    case "delivering": {
      const due = heads.deliveringMore(whole.format(c.due));
      if (!c.locked) return ["good", heads.delivering, due];
      const more = [due, heads.lockedMore(whole.format(c.locked), whole.format(c.locked_lanes))].join(say.sentences);
      return c.locked < c.due ? ["warn", heads.delivering, more] : ["bad", heads.lockedAll, more];
    }
    case "later": return ["good", heads.later, heads.laterMore(whole.format(c.deferred))];
    case "ended": {
      const more = heads.endedMore(c.succeeded, c.failed, c.cancelled);
      if (!c.failed) return ["calm", heads.ended, c.succeeded ? more : heads.allCancelledMore(c.cancelled)];
      if (c.succeeded) return ["warn", heads.ended, more];
      return ["bad", heads.noneDelivered, c.cancelled ? more : heads.noneDeliveredMore(c.failed)];
    }
    case "empty": return ["calm", heads.empty, heads.emptyMore];
    default: return c.are_all ? ["good", heads.done, heads.doneMore] : ["good", heads.ended, heads.newestDoneMore(c.newest)];
  }
}

function headline([tone, what, more]) {
  const box = at("headline");
  if (box.dataset.tone !== tone) box.dataset.tone = tone;
  // Written only when it changes, so that a screen reader is not told the same every few seconds.
  for (const [id, text] of [["headline-text", what], ["headline-more", more]]) {
    if (at(id).textContent !== text) at(id).textContent = text;
  }
}

const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });

/** Says of when the numbers are, if they are not of now. */
function asOf(secondsAgo) {
  const stale = secondsAgo !== null;
  document.body.classList.toggle("stale", stale);
  at("as-of").textContent = stale ? say.asOf(clock.format(Date.now() - secondsAgo * 1000)) : "";
}

let shownAt = null;

let nextRefresh = 0;

function show(s) {
  offer(s);
  at("about").textContent = say.about(s);
  shownAt = Date.now();
  asOf(s.database.error ? s.database.seen_seconds_ago : null);
  headline(verdict(s));
  tiles(s);
  flow(s);
  tables(s);
}

async function refresh() {
  try {
    const answer = await fetch("api/status", { cache: "no-store", signal: AbortSignal.timeout(REFRESH_MS) });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
  } catch {
    headline(["bad", ...say.heads.gone]);
    asOf(shownAt === null ? null : (Date.now() - shownAt) / 1000);
    document.body.classList.add("stale");
  }
  document.body.dataset.refreshed = "yes";
  clearTimeout(nextRefresh);
  nextRefresh = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", refresh, { once: true }) : refresh()), REFRESH_MS);
}

for (const element of document.querySelectorAll("[data-t]")) element.textContent = say[element.dataset.t];
for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", say[element.dataset.tLabel]);
at("refreshed").textContent = say.refreshed;
refresh();
