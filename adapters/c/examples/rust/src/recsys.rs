//! recsys for Rust: the C face with `Result`s, and recommenders that close themselves when dropped.
//! Arguments and results are JSON texts, for whichever JSON crate the app has.

use std::ffi::{c_char, c_int, CStr, CString};
use std::fmt;

extern "C" {
    fn recsys_boot(python: *const c_char) -> c_int;
    fn recsys_call(
        method: *const c_char,
        payload: *const c_char,
        size: usize,
        answer: *mut *mut c_char,
        answer_size: *mut usize,
    ) -> c_int;
    fn recsys_free(answer: *mut c_char);
    fn recsys_last_kind() -> *const c_char;
    fn recsys_last_field() -> *const c_char;
    fn recsys_last_message() -> *const c_char;
}

/// What recsys refused, as in docs/bridge.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: String,
    pub field: String,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}: {}", self.kind, self.field, self.message)
    }
}

impl std::error::Error for Error {}

fn last() -> Error {
    // Each is a text of this thread that stays until the next failure.
    let said = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    unsafe {
        Error { kind: said(recsys_last_kind()), field: said(recsys_last_field()), message: said(recsys_last_message()) }
    }
}

fn nul(field: &str) -> Error {
    Error { kind: "InputError".into(), field: field.into(), message: format!("{field}: has a NUL") }
}

/// Start the interpreter at this path, once a process.
pub fn boot(python: &str) -> Result<(), Error> {
    let path = CString::new(python).map_err(|_| nul("python"))?;
    match unsafe { recsys_boot(path.as_ptr()) } {
        0 => Err(last()),
        _ => Ok(()),
    }
}

/// Make a call with a JSON object, and give the JSON of the result.
pub fn call(method: &str, arguments: &str) -> Result<String, Error> {
    call_bytes(method, arguments.as_bytes())
}

/// The same with bytes, which need be no text.
pub fn call_bytes(method: &str, arguments: &[u8]) -> Result<String, Error> {
    const BEFORE: usize = "{\"result\":".len();
    let name = CString::new(method).map_err(|_| nul("method"))?;
    let (mut answer, mut size) = (std::ptr::null_mut(), 0);
    let done = unsafe {
        recsys_call(name.as_ptr(), arguments.as_ptr().cast(), arguments.len(), &mut answer, &mut size)
    };
    let found = if done == 0 {
        Err(last())
    } else {
        let bytes = unsafe { std::slice::from_raw_parts(answer.cast::<u8>(), size) };
        Ok(String::from_utf8_lossy(&bytes[BEFORE..size - 1]).into_owned())
    };
    unsafe { recsys_free(answer) };
    found
}

/// One person's recommender.
pub struct Recommender {
    handle: String,
}

impl Recommender {
    /// `arguments` are those of `open`, such as `{"path":"me.db"}`.
    pub fn open(arguments: &str) -> Result<Self, Error> {
        Ok(Self { handle: call("open", arguments)? })
    }

    /// Call a method with a JSON object; the handle is put in.
    pub fn call(&self, method: &str, arguments: &str) -> Result<String, Error> {
        let rest = arguments.trim_start().trim_start_matches('{').trim_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        call(method, &format!("{{\"handle\":{}{comma}{rest}", self.handle))
    }
}

impl Drop for Recommender {
    fn drop(&mut self) {
        let _ = self.call("close", "{}"); // what was recorded is on disk already
    }
}
