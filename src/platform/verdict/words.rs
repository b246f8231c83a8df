//! The platform's words, masked and shortened so that they may be kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::reply::Answer;
use crate::batch::Batch;
use crate::mask;
use crate::visible;

/// Returns the answer in words for the journal and the log: short, with every number in it masked,
/// even a number of the batch that does not look like one.
pub(super) fn words(batch: &Batch, answer: &Answer) -> String {
    let http = answer.http;
    let said = match &answer.document {
        None => format!("HTTP {http} without the documented JSON"),
        Some(document) if document.message.is_empty() => {
            format!("HTTP {http}, code {}", document.code)
        }
        Some(document) => format!("{} {}", document.code, masked(batch, &document.message)),
    };
    shortened(&said)
}

/// The most characters of the platform's words that are kept; the longest documented words have 20.
const LONGEST_WORDS: usize = 500;

/// The most characters of the platform's words that are looked at: masking makes them shorter.
const LOOKED_AT: usize = 4 * LONGEST_WORDS;

/// Returns words about a batch with every number masked, and each of the batch's own numbers,
/// whatever it looks like.
pub fn masked(batch: &Batch, words: &str) -> String {
    let numbers = || batch.contacts.iter().map(|contact| contact.phone.expose());
    // Control characters are taken out first: one inside a number would keep it from being masked.
    // A line break becomes a blank, so that it joins nothing.
    let blank = |c| {
        if matches!(c, '\t' | '\r' | '\n') {
            ' '
        } else {
            c
        }
    };
    let mut kept = words.chars().map(blank).filter(|c| !visible::acts(*c));
    let looked_at: String = kept.by_ref().take(LOOKED_AT).collect();
    let masked = mask::mask_all(&looked_at, numbers());
    if kept.next().is_none() {
        return masked;
    }
    // The cut may have gone through a number, which is then not masked.
    let longest = numbers().map(|number| number.chars().count()).max();
    let uncertain = 2 * longest.unwrap_or_default();
    let certain = masked.chars().count().saturating_sub(uncertain);
    masked.chars().take(certain).collect()
}

/// At most this many sentences are read, because no answer may cost much.
const MOST_SENTENCES: usize = 8;

/// Whether all sentences of a text are so, of which there may be a few.
pub(super) fn all_sentences(text: &str, is_so: impl Fn(&str) -> bool) -> bool {
    let mut sentences = text.split(ends_sentence);
    let mut few = sentences.by_ref().take(MOST_SENTENCES);
    few.all(is_so) && sentences.next().is_none()
}

/// A comma ends one, too. Brackets and colons do not: they may hold a place.
pub(super) fn ends_sentence(c: char) -> bool {
    ",.;!?，。；！？".contains(c)
}

/// Returns a text with simplified characters in place of the traditional ones that the words about
/// numbers and troubles have.
pub(super) fn simplified(text: &str) -> String {
    let simple = |c: char| SIMPLE.get(&c).copied().unwrap_or(c);
    text.chars().map(simple).collect()
}

/// The simplified character of a traditional one.
static SIMPLE: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let pair = |pair: &str| {
        let mut chars = pair.chars();
        Some((chars.next()?, chars.next()?))
    };
    PAIRS.split_whitespace().filter_map(pair).collect()
});

const PAIRS: &str = "\
    號号 別别 碼码 電电 話话 機机 無无 確确 錯错 誤误 銷销 註注 單单 關关 長长 數数 範范 規规 請请 檢检 \
    輸输 導导 為为 個个 與与 對对 過过 濾滤 敗败 異异 應应 須须 經经 務务 統统 網网 絡络 處处 頻频 連连 \
    線线 斷断 時时 響响 後后 試试 維维 護护 級级 內内 庫库 據据 臺台 暫暂 錄录 會会 權权 沒没 撥拨 開开 \
    穩稳 潰溃 複复 餘余 絕绝 審审 攔拦 棄弃 丟丢 僅仅 隊队 閉闭 畢毕 額额";

/// Returns where each number of a text stands.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut behind = 0;
    std::iter::from_fn(move || {
        let begin = behind + text[behind..].find(|c: char| c.is_ascii_digit())?;
        let end = text[begin..].find(|c: char| !c.is_ascii_digit());
        behind = end.map_or(text.len(), |end| begin + end);
        Some(begin..behind)
    })
}

pub(super) fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !visible::acts(*c))
        .take(LONGEST_WORDS)
        .collect()
}
