"use strict";
// What users do on the page, once they have logged in: each action is counted first, told, asked, and
// then done. All tabs of a browser share the session: its token, which is kept here, and its cookie, which no
// script can read.

const ACT = {
  en: {
    logIn: "Log in", logOut: "Log out", user: "User", password: "Password", close: "Close", back: "Back", look: "Look first",
    title: "Actions", intro: "Each action first says what it would do, and asks.", working: "One moment…",
    names: { pause: "Pause", resume: "Resume", requeue: "Requeue", cancel: "Cancel contacts" },
    about: {
      pause: "Nothing of it is sent until it is resumed. Requests under way end.",
      resume: "Ends pauses, and has everything in the way tried at once.",
      requeue: "Sends contacts that failed on their way again.",
      cancel: "Ends pending contacts before they are sent. They end as failed, and are never sent.",
    },
    yes: { pause: "Yes, pause", resume: "Yes, resume", requeue: "Yes, requeue", cancel: "Yes, cancel them" },
    which: "Which", ways: { lane: "A lane", user: "A user", all: "All lanes", ids: "By id", failed: "All that failed" },
    what: { lane: "USER_ID/TASK_ID", user: "USER_ID", ids: "7 8 9" },
    reason: "Reason", lasts: "For", untilResumed: "until it is resumed", age: "Inserted", failedAge: "Failed", anyTime: "at any time",
    inLast: (time) => `in the last ${time}`, kinds: "Of these kinds only", evenUnsafe: "Even those that the platform may put into their task twice",
    scopes: { lane: (x) => `lane ${x}`, user: (x) => `user ${x}`, all: () => "all lanes" },
    contacts: (n) => n === null ? "an unknown number of contacts" : n === 1 ? "1 contact" : `${whole.format(n)} contacts`,
    between: (least, most) => `${whole.format(least)} to ${act.contacts(most)}`,
    pauseCount: (scope, n) => `${scope}: ${n} pending in it.`, pauseAsk: (scope) => `Pause ${scope}?`,
    unknown: (scope) => `No contact of ${scope} is known. Is it spelled right?`,
    replaces: (scope, why) => `This replaces the pause of ${scope}: ${why}`,
    wider: (scope, why) => `Still paused with ${scope}: ${why}`,
    ends: (scope, why) => `Ends the pause of ${scope}: ${why}`, noPauses: "No pause is in force in it. Whatever else is in the way is tried at once.",
    resumeAsk: (scope) => `Resume ${scope}?`,
    paused: (scope, n, time) => `${scope}: paused ${time ? `for ${time}` : "until it is resumed"}; ${n} pending in it.`,
    resumed: (scope, pauses, holds) => `${scope}: ${pauses} ${pauses === 1 ? "pause" : "pauses"} and ${holds} ${holds === 1 ? "hold" : "holds"} ended.`,
    noneInTheWay: (scope) => `${scope}: no pause or hold of its own.`, triedAtOnce: "It is tried at once.",
    cancelNone: "Nothing to cancel: no pending contact matches.", cancelCount: (which, n) => `${which}: ${n} pending.`, of: (which) => `${which}:`,
    cancelLeft: (n) => `Up to ${n} of them may be on the way to the platform, and would be left.`, cancelAsk: (n) => `Cancel ${n}?`,
    notPending: (n, which) => `${n} of the ids named no pending contact: ${which.join(", ")}.`, notFailed: (n) => `${n} of the ids named no failed contact.`,
    missed: (id, status) => `${id} (${{ succeeded: "succeeded", failed: "failed" }[status] || "not there"})`, unlisted: (n) => `and ${n} more`,
    cancelled: (n) => `${n} cancelled.`, leftGoing: (n) => `${n} left: on the way to the platform, perhaps; its answer decides.`,
    leftLocked: (n) => `${n} left: locked by another session; do it again.`,
    requeueNone: "Nothing to requeue: no failed contact matches.", requeueKind: (n, kind) => `${n} ${kind}.`,
    notSafe: (n, taken) => taken
      ? `${n} not safe to send again, and taken all the same: the platform may put the person into the task twice.`
      : `${n} not safe to send again, and left out: the platform may have it, and the person could be in the task twice.`,
    cancelledLeft: (n) => `${n} left out: operators cancelled them. Choose the kind “cancelled” to take them.`,
    redacted: (n) => `${n} left out: what is personal was taken out, so there is no number to send.`,
    requeueAsk: (n) => `Requeue ${n}?`, requeued: (n) => `${n} requeued.`,
    going: (what, who, done, total) => `${what}, begun by ${who}: ${done} of ${total} so far`,
    ended: (what, who, time) => `${what}, begun by ${who}, ended ${time} ago.`,
    named: (name, which) => `${name} (${which})`, goesOn: "It goes on if you close this or leave the page. How far it is stands under “Actions”.",
    brokenOff: (why) => `It did not come to its end: ${why}`,
    refused: {
      no_user: "This is not a user with its password.", too_many: "Too many log-ins at once. Try again in a few seconds.",
      no_session: "The session is over. Log in again.", busy: "Another action is under way. Try again when it has ended.",
      looking: "Another look is under way. Try again when it has ended.",
      no_lane: "This is no lane. Write USER_ID/TASK_ID.", no_id: "These are no ids of contacts. Write whole numbers above 0.",
      foreign: "The courier takes this for a page from elsewhere. Does a proxy in between change the Host?",
      no_viewer: "Give a viewer of this page and its password: load the page again.",
      bad_user: "This is no user. Write USER_ID: letters, digits, “_” or “-”.",
      no_choice: "Say which, in one way only.", no_kind: "There is no such kind.", no_time: "There is no such time.",
      long_reason: "The reason is too long: write at most 500 characters.",
      unreadable: "The courier could not read the request. Load the page again: it may be of another version.",
      slow: "The request did not arrive in time. Try again.",
      database: (words) => `The database did not do it: ${words}`, late: "The database did not answer in time. Whether it was done the history tells: contact-courier history.",
      late_look: "The database did not answer in time. Nothing was changed.",
      broken_off: "It did not come to its end. Whether it was done the history tells: contact-courier history.",
    },
    gone: "The courier does not answer. Whether it was done the history tells: contact-courier history.",
  },
  zh: {
    logIn: "登录", logOut: "退出登录", user: "用户", password: "密码", close: "关闭", back: "返回", look: "先查看",
    title: "操作", intro: "每个操作都会先说明影响，再请您确认。", working: "请稍候…",
    names: { pause: "暂停", resume: "恢复", requeue: "重新发送", cancel: "取消号码" },
    about: {
      pause: "暂停期间不再发送，直到恢复；进行中的请求会照常结束。",
      resume: "结束暂停，并立即重试其他被阻挡的通道。",
      requeue: "把失败的号码重新放回待发送。",
      cancel: "在发送之前结束待发送的号码。它们记为失败，不会再发送。",
    },
    yes: { pause: "确认暂停", resume: "确认恢复", requeue: "确认重新发送", cancel: "确认取消" },
    which: "范围", ways: { lane: "一个通道", user: "一个用户", all: "全部通道", ids: "按 id", failed: "全部失败的号码" },
    what: { lane: "USER_ID/TASK_ID", user: "USER_ID", ids: "7 8 9" },
    reason: "原因", lasts: "时长", untilResumed: "直到恢复", age: "写入时间", failedAge: "失败时间", anyTime: "不限",
    inLast: (time) => `最近 ${time}`, kinds: "仅限这些类别", evenUnsafe: "包括可能被平台重复加入任务的号码",
    scopes: { lane: (x) => `通道 ${x}`, user: (x) => `用户 ${x}`, all: () => "全部通道" },
    contacts: (n) => (n === null ? "数量未知的号码" : `${whole.format(n)} 个号码`),
    between: (least, most) => `${whole.format(least)} 至 ${act.contacts(most)}`,
    pauseCount: (scope, n) => `${scope}：${n}待发送。`, pauseAsk: (scope) => `暂停${scope}？`,
    unknown: (scope) => `没有${scope} 的任何号码，请检查拼写。`,
    replaces: (scope, why) => `将取代${scope}现有的暂停：${why}`,
    wider: (scope, why) => `仍随${scope}暂停：${why}`,
    ends: (scope, why) => `将结束${scope}的暂停：${why}`, noPauses: "其中没有暂停。其他被阻挡的通道会立即重试。",
    resumeAsk: (scope) => `恢复${scope}？`,
    paused: (scope, n, time) => `${scope}：已暂停，${time ? `持续 ${time}` : "直到恢复"}；${n}待发送。`,
    resumed: (scope, pauses, holds) => `${scope}：结束了 ${pauses} 个暂停和 ${holds} 个等待。`,
    noneInTheWay: (scope) => `${scope}：没有自己的暂停或等待。`, triedAtOnce: "正在重试。",
    cancelNone: "没有可取消的号码：没有符合条件的待发送号码。", cancelCount: (which, n) => `${which}：${n}待发送。`, of: (which) => `${which}：`,
    cancelLeft: (n) => `其中最多 ${n}可能正在发往平台，会保留。`, cancelAsk: (n) => `取消 ${n}？`,
    notPending: (n, which) => `有 ${n} 个 id 没有对应的待发送号码：${which.join("、")}。`, notFailed: (n) => `有 ${n} 个 id 没有对应的失败号码。`,
    missed: (id, status) => `${id}（${{ succeeded: "已成功", failed: "已失败" }[status] || "不存在"}）`, unlisted: (n) => `另有 ${n} 个`,
    cancelled: (n) => `已取消 ${n}。`, leftGoing: (n) => `保留 ${n}：可能正在发往平台，以平台的应答为准。`,
    leftLocked: (n) => `保留 ${n}：被其他会话锁定，请稍后再试。`,
    requeueNone: "没有可重新发送的号码：没有符合条件的失败号码。", requeueKind: (n, kind) => `${kind}：${n}。`,
    notSafe: (n, taken) => taken
      ? `${n}重新发送并不安全，但仍会发送：平台可能把同一个人加入任务两次。`
      : `${n}重新发送并不安全，已排除：平台可能已收到，同一个人可能被加入任务两次。`,
    cancelledLeft: (n) => `已排除 ${n}：由运维人员取消。如需发送，请选择“已取消”类别。`,
    redacted: (n) => `已排除 ${n}：个人信息已删除，没有可发送的号码。`,
    requeueAsk: (n) => `重新发送 ${n}？`, requeued: (n) => `已重新放回 ${n}。`,
    going: (what, who, done, total) => `${who} 发起的${what}：已处理 ${done}，共 ${total}`,
    ended: (what, who, time) => `${who} 发起的${what}已于 ${time}前结束。`,
    named: (name, which) => `${name}（${which}）`, goesOn: "关闭窗口或离开页面后仍会继续，进度显示在“操作”中。",
    brokenOff: (why) => `操作未能完成：${why}`,
    refused: {
      no_user: "用户名或密码不正确。", too_many: "同时登录的人过多，请几秒后再试。",
      no_session: "会话已结束，请重新登录。", busy: "另一个操作正在进行，请等它结束后再试。",
      looking: "另一次查询正在进行，请等它结束后再试。",
      no_lane: "这不是通道，请按 USER_ID/TASK_ID 填写。", no_id: "id 应为大于 0 的整数。",
      foreign: "程序认为请求来自其他页面。中间的代理是否改写了 Host？",
      no_viewer: "请重新加载页面，并输入查看者的用户名和密码。",
      bad_user: "这不是用户，请填写 USER_ID（字母、数字、“_”或“-”）。",
      no_choice: "请选择范围，且只用一种方式。", no_kind: "没有这个类别。", no_time: "时间不正确。",
      long_reason: "原因过长，最多 500 个字符。",
      unreadable: "程序无法读取请求。请重新加载页面：页面可能来自其他版本。",
      slow: "请求没有及时到达，请重试。",
      database: (words) => `数据库没有执行：${words}`, late: "数据库没有及时应答。是否已执行见：contact-courier history。",
      late_look: "数据库没有及时应答。没有做任何更改。",
      broken_off: "操作未能完成。是否已执行见：contact-courier history。",
    },
    gone: "程序没有应答。是否已执行见：contact-courier history。",
  },
};

const act = chinese ? ACT.zh : ACT.en;
const KEPT = `courier-token ${location.pathname}`;
const HOUR = 3600;

/** Which ways of choosing an action has, and what else it asks for. */
const FORMS = {
  pause: { ways: ["lane", "user", "all"], reason: true, lasts: true },
  resume: { ways: ["lane", "user", "all"] },
  requeue: { ways: ["lane", "user", "ids", "failed"], kinds: true, age: "since_seconds", ageName: "failedAge" },
  cancel: { ways: ["lane", "user", "ids"], reason: true, age: "created_since_seconds", ageName: "age" },
};

/** The user who has logged in. */
let whoActs = null;

const button = (text, click, kind) => {
  const element = make("button", { type: "button", class: kind || "" }, text);
  element.addEventListener("click", click);
  return element;
};

/** Asks the courier, and returns what it says. */
async function tell(path, body) {
  const headers = { "Content-Type": "application/json" };
  const token = localStorage.getItem(KEPT);
  if (token) headers["X-Courier-Token"] = token;
  let answer, said;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
    said = await answer.json();
  } catch {
    throw new Error(act.gone);
  }
  if (answer.ok) return said;
  // Meanwhile another tab may have logged in.
  if (said.reason === "no_session" && token === localStorage.getItem(KEPT)) isIn(null);
  const why = act.refused[said.reason];
  throw new Error(typeof why === "function" ? why(databaseWords(said.error)) : why || said.error);
}

/** Shows who has logged in, or that nobody has. */
function isIn(user, token) {
  whoActs = user;
  if (token) localStorage.setItem(KEPT, token);
  if (!user) localStorage.removeItem(KEPT);
  at("who").replaceChildren(...(user
    ? [make("span", {}, user), button(act.logOut, logOut, "link")]
    : [button(act.logIn, logIn, "link")]));
  at("actions").hidden = !user;
}

/** The dialog with other contents. The first field or button in it is at hand. */
function ask(title, ...parts) {
  const box = at("dialog");
  box.replaceChildren(make("h2", { id: "dialog-title" }, title), ...parts.filter((x) => x));
  if (!box.open) box.showModal();
  (box.querySelector("input:not([type=checkbox]), select, textarea") || box.querySelector(".foot button")).focus();
}

const shut = () => at("dialog").close();
/** Whether the user still has this before him. */
const isShown = (element) => element.isConnected && at("dialog").open;
const foot = (...buttons) => make("div", { class: "foot" }, ...buttons);
const fault = (error) => make("p", { class: "fault", role: "alert" }, error.message);

/** A form that does something when it is sent, and says what went wrong. */
function form(fields, buttons, send) {
  const element = make("form", {}, ...fields, foot(...buttons));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (element.dataset.busy) return;
    element.dataset.busy = "yes";
    for (const old of element.querySelectorAll(".fault")) old.remove();
    const wait = make("p", { class: "quiet", role: "status" }, act.working);
    element.lastChild.before(wait);
    try {
      await send(element);
    } catch (error) {
      element.lastChild.before(fault(error));
    }
    wait.remove();
    delete element.dataset.busy;
  });
  return element;
}

const field = (name, control) => make("label", {}, make("span", {}, name), control);
const submit = (text, kind) => make("button", { type: "submit", class: kind || "main" }, text);

function logIn() {
  const user = make("input", { name: "user", autocomplete: "username", required: "", maxlength: 64, autocapitalize: "none", spellcheck: "false" });
  const password = make("input", { name: "password", type: "password", autocomplete: "current-password", required: "" });
  ask(act.logIn, form([field(act.user, user), field(act.password, password)],
    [button(act.close, shut), submit(act.logIn)],
    async (shown) => {
      const said = await tell("api/login", { user: user.value, password: password.value });
      isIn(said.user, said.token);
      if (isShown(shown)) shut();
      refreshTables();
    }));
}

async function logOut() {
  try {
    await tell("api/logout", {});
  } catch { /* It was over already, or ends by itself. */ }
  isIn(null);
  refreshTables();
}

const choice = (name, options, chosen) => {
  const select = make("select", { name }, ...options.map(([value, text]) => make("option", { value }, text)));
  select.value = chosen;
  return select;
};

/** The first step of an action: which. `given`: what is known of it already. */
function begin(action, given = {}) {
  const shape = FORMS[action];
  const way = choice("way", shape.ways.map((key) => [key, act.ways[key]]), given.way || "lane");
  const what = make("input", { name: "what", required: "", autocapitalize: "none", spellcheck: "false", value: given.what || "" });
  const whatField = field("", what);
  const reason = shape.reason && make("input", { name: "reason", maxlength: 500, value: given.reason || "" });
  const spans = [HOUR / 2, HOUR, 2 * HOUR, 8 * HOUR, 24 * HOUR];
  const lasts = shape.lasts && choice("lasts", [["", act.untilResumed], ...spans.map((n) => [String(n), span(n)])], given.lasts || "");
  const age = shape.age && choice("age", [["", act.anyTime], ...spans.map((n) => [String(n), act.inLast(span(n))])], given.age || "");
  const kinds = shape.kinds && Object.entries(say.kinds).map(([kind, name]) => {
    const box = make("input", { type: "checkbox", name: "kind", value: kind });
    box.checked = (given.kinds || []).includes(kind);
    return make("label", { class: "check" }, box, make("span", {}, name));
  });
  const even = shape.kinds && make("input", { type: "checkbox", name: "even" });
  if (even) even.checked = given.even || false;
  const ageField = age && field(act[shape.ageName], age);
  const kindField = kinds && make("fieldset", {}, make("legend", {}, act.kinds), ...kinds);
  const fits = () => {
    const named = way.value in act.what;
    whatField.hidden = !named;
    what.required = named;
    what.placeholder = act.what[way.value] || "";
    whatField.firstChild.textContent = act.ways[way.value];
    for (const part of [ageField, kindField]) if (part) part.hidden = way.value === "ids";
  };
  way.addEventListener("change", fits);
  fits();
  const fields = [make("p", { class: "quiet" }, act.about[action]), field(act.which, way), whatField, ageField, kindField,
    lasts && field(act.lasts, lasts), reason && field(act.reason, reason),
    even && make("label", { class: "check" }, even, make("span", {}, act.evenUnsafe))].filter((x) => x);
  ask(act.names[action], form(fields, [button(act.close, shut), submit(act.look)], async (shown) => {
    const chosen = {
      way: way.value, what: what.value.trim(), reason: reason ? reason.value.trim() : "", lasts: lasts ? lasts.value : "",
      age: age ? age.value : "", kinds: [...document.querySelectorAll("#dialog [name=kind]:checked")].map((box) => box.value),
      even: even ? even.checked : false, at: performance.now(),
    };
    const said = await tell(`api/${action}`, { ...body(action, chosen), dry_run: true });
    if (isShown(shown)) question(action, chosen, said);
  }));
}

/** What is asked of the courier. An age is as of when it was counted. */
function body(action, chosen) {
  const { way, what } = chosen;
  const shape = FORMS[action];
  const asked = {};
  if (way === "lane" || way === "user") asked[way] = what;
  if (way === "ids") asked.ids = what.split(/[\s,;，、]+/).filter((id) => id).map((id) => (/^\d{1,15}$/.test(id) ? Number(id) : 0));
  if (way === "all" || (way === "failed" && !chosen.kinds.length && !chosen.age)) asked.all = true;
  if (shape.age && chosen.age && way !== "ids") asked[shape.age] = Number(chosen.age) + (performance.now() - chosen.at) / 1000;
  if (shape.kinds) asked.even_unsafe = chosen.even;
  if (shape.kinds && way !== "ids") asked.kinds = chosen.kinds;
  if (shape.reason && chosen.reason) asked.reason = chosen.reason;
  if (shape.lasts && chosen.lasts) asked.for_seconds = Number(chosen.lasts);
  return asked;
}

/** A scope as the courier says it, in the reader's language. */
function scope(text) {
  const [kind, name] = text.split(" ");
  return kind === "lane" || kind === "user" ? act.scopes[kind](name) : act.scopes.all();
}

const reasons = (word, pauses) => pauses.map((pause) => act[word](scope(pause.scope), byWhom(pause.reason)));

/** How many contacts wait in a scope, and whether it may be mistyped. */
const counted = (s) => [act.pauseCount(scope(s.scope), act.contacts(s.pending)), s.known ? null : act.unknown(scope(s.scope))];

/** The ids that name no pending contact, each with why. */
function missed(s) {
  const listed = s.missed.map(({ id, status }) => act.missed(id, status));
  const more = s.unmatched - listed.length;
  return more > 0 ? [...listed, act.unlisted(whole.format(more))] : listed;
}

/** What an action would do: [lines, question]; no question: nothing. */
const TOLD = {
  pause: (s) => [[...counted(s), ...reasons("replaces", s.replaces.filter((p) => p.scope === s.scope)),
    ...reasons("wider", s.still_paused_by)], act.pauseAsk(scope(s.scope))],
  resume: (s) => [[...counted(s), ...(s.pauses.length ? reasons("ends", s.pauses) : [act.noPauses]),
    ...reasons("wider", s.still_paused_by)], act.resumeAsk(scope(s.scope))],
  cancel: (s, chosen) => [[s.pending ? act.cancelCount(inWords(chosen), act.contacts(s.pending)) : act.cancelNone, s.unmatched ? act.notPending(whole.format(s.unmatched), missed(s)) : null,
    s.left_on_their_way ? act.cancelLeft(act.contacts(s.left_on_their_way)) : null], s.pending ? act.cancelAsk(s.left_on_their_way ? act.between(s.pending - s.left_on_their_way, s.pending) : act.contacts(s.pending)) : null],
  requeue: (s, chosen) => {
    const kinds = Object.entries(s.failed);
    const found = kinds.reduce((sum, [, n]) => sum + n, 0);
    const named = chosen.way === "ids" ? new Set(body("requeue", chosen).ids).size : found;
    return [[found ? act.of(inWords(chosen)) : null, ...(found ? kinds.map(([kind, n]) => act.requeueKind(act.contacts(n), say.kinds[kind] || kind)) : [act.requeueNone]),
      named > found ? act.notFailed(whole.format(named - found)) : null,
      s.cancelled_left_out ? act.cancelledLeft(act.contacts(s.cancelled_left_out)) : null,
      s.redacted ? act.redacted(act.contacts(s.redacted)) : null,
      s.unsafe ? act.notSafe(act.contacts(s.unsafe), chosen.even) : null], s.to_requeue ? act.requeueAsk(act.contacts(s.to_requeue)) : null];
  },
};

/** What an action has done, in lines. */
const DONE = {
  pause: (s) => [act.paused(scope(s.paused), act.contacts(s.pending), s.for_seconds && span(s.for_seconds))],
  resume: (s) => [s.pauses_ended + s.holds_ended ? act.resumed(scope(s.resumed), s.pauses_ended, s.holds_ended) : act.noneInTheWay(scope(s.resumed)),
    ...(s.still_paused_by.length ? reasons("wider", s.still_paused_by) : [act.triedAtOnce])],
  cancel: (s) => [act.cancelled(act.contacts(s.cancelled)), s.left_on_their_way ? act.leftGoing(act.contacts(s.left_on_their_way)) : null,
    s.left_locked ? act.leftLocked(act.contacts(s.left_locked)) : null],
  requeue: (s) => [act.requeued(act.contacts(s.requeued))],
};

/** What was chosen, in words. */
function inWords({ way, what, age }) {
  const which = way in act.scopes ? act.scopes[way](what) : way === "ids" ? `${act.ways.ids} ${what}` : act.ways[way];
  return age && way !== "ids" ? `${which}, ${act.inLast(span(Number(age)))}` : which;
}

const lines = (texts) => texts.filter((x) => x).map((text) => make("p", {}, text));

/** The second step: what it would do, and the question. */
function question(action, chosen, said) {
  const [told, asked] = TOLD[action](said, chosen);
  const back = button(act.back, () => begin(action, chosen));
  if (!asked) return ask(act.names[action], ...lines(told), foot(button(act.close, shut), back));
  ask(act.names[action], form([...lines(told), make("p", { class: "asked" }, asked)],
    [back, submit(act.yes[action], action === "cancel" ? "main danger" : "main")],
    async (shown) => {
      back.disabled = true;
      let done;
      try {
        done = await tell(`api/${action}`, { ...body(action, chosen), dry_run: false });
      } finally {
        back.disabled = false;
      }
      const parts = done.under_way ? [make("div", { class: "going" })] : lines(DONE[action](done));
      // Also in a dialog that was closed, but not in place of another one.
      if (shown.isConnected) ask(act.names[action], ...parts, done.under_way && make("p", { class: "quiet" }, act.goesOn), foot(button(act.close, shut, "main")));
      refreshTables();
      watchAction();
    }));
}

/** An ended action is told for so many seconds. */
const TOLD_FOR = 600;

/** Which contacts, if that can be said in the reader's language. */
function whichOf(text) {
  const [, kind, name] = /^(?:failed: )?(lane|user) ([^ ,]+)$/.exec(text) || [];
  return kind ? act.scopes[kind](name) : "";
}

/** How far the long action is, or what became of the last one. */
function actionParts(a) {
  const which = whichOf(a.which);
  const what = which ? act.named(act.names[a.action], which) : act.names[a.action];
  if (a.ended_seconds_ago === null) {
    const text = act.going(what, a.user, whole.format(a.done), act.contacts(a.total));
    const bar = make("progress", { max: Math.max(a.total, 1), value: Math.min(a.done, a.total), "aria-label": text });
    return [make("p", {}, text), bar];
  }
  return lines([act.ended(what, a.user, span(a.ended_seconds_ago)), ...(a.error ? [act.brokenOff(a.error)] : DONE[a.action](a.result))]);
}

let nextWatch = 0;

/** Shows the long action, and again each second while it is under way. */
async function watchAction() {
  clearTimeout(nextWatch);
  if (!whoActs) return;
  let a = null;
  try {
    ({ action: a } = await tell("api/action"));
  } catch { /* The page shows that the courier does not answer, or that nobody is logged in. */ }
  const isTold = a && (a.ended_seconds_ago === null || a.ended_seconds_ago < TOLD_FOR);
  for (const place of document.querySelectorAll(".going")) place.replaceChildren(...(isTold ? actionParts(a) : []));
  if (!isTold || a.ended_seconds_ago !== null) return;
  nextWatch = setTimeout(watchAction, 1000);
}

/** Asks for the numbers again at once. */
function refreshTables() {
  clearTimeout(nextRefresh);
  refresh();
}

/** A button in a row of a table, for those who have logged in. */
function inRow(action, given) {
  if (!whoActs) return null;
  const element = button(act.names[action], () => begin(action, given), "link");
  element.dataset.key = JSON.stringify([action, given]);
  return element;
}

/** A column of a table with these buttons, if there are any. */
function actColumn(...buttons) {
  return whoActs ? [[act.title, (row) => buttons.map((one) => one(row)), "acts"]] : [];
}

let isOffered = false;

/** Offers to log in, if the courier takes users at all, and goes on with the session of this browser. */
async function offer(s) {
  if (isOffered) watchAction();
  if (!s.log_in || isOffered) return;
  isOffered = true;
  at("actions").replaceChildren(make("h2", {}, act.title), make("p", { class: "quiet" }, act.intro),
    make("div", { class: "row" }, ...Object.keys(FORMS).map((action) => button(act.names[action], () => begin(action)))), make("div", { class: "going" }));
  let user = null;
  try {
    if (localStorage.getItem(KEPT)) ({ user } = await tell("api/session"));
  } catch {
    // The page shows that the courier does not answer. Its next answer has this asked again.
    isOffered = false;
    return;
  }
  isIn(user);
  if (user) refreshTables();
}

// Another tab has logged in or out.
addEventListener("storage", (event) => {
  if (event.key !== KEPT || !isOffered) return;
  isOffered = false;
  refreshTables();
});
