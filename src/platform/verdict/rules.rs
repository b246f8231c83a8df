//! The rules by which answers are told apart: a part of the settings.

/// The codes and words by which answers are told apart: the settings `platform.lane_codes`,
/// `platform.lane_markers`, `platform.duplicate_markers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Codes that mean: the task is running and must be paused by its owner.
    pub lane_codes: Vec<i64>,
    /// Parts of a 422 message that mean the same.
    pub lane_markers: Vec<String>,
    /// Parts of a cause that mean: the number is already in the task.
    pub duplicate_markers: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Self {
            lane_codes: vec![6007],
            lane_markers: words(&["请先停止任务", "请先暂停任务"]),
            // Phrases about a number: `重复` alone also stands in "do not submit this again".
            duplicate_markers: words(&[
                "号码重复",
                "重复号码",
                "号码已存在",
                "号码已经存在",
                "手机号重复",
                "手机号已存在",
                "电话重复",
                "电话已存在",
            ]),
        }
    }
}
