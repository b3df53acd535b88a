//! The contract through this crate: a call with its `Result`, told again as the bridge tells it.

use std::ffi::{c_char, c_int, CStr};

extern "C" {
    fn malloc(size: usize) -> *mut c_char;
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// # Safety
/// As C's: `method` ends with a NUL, `payload` has `size` bytes, and the answers have room.
#[no_mangle]
pub unsafe extern "C" fn face(
    method: *const c_char,
    payload: *const u8,
    size: usize,
    answer: *mut *mut c_char,
    answer_size: *mut usize,
) -> c_int {
    let name = CStr::from_ptr(method).to_string_lossy();
    let bytes = if size == 0 { &[] } else { std::slice::from_raw_parts(payload, size) };
    let (done, told) = match recsys::call_bytes(&name, bytes) {
        Ok(result) => (1, format!("{{\"result\":{result}}}")),
        Err(refused) => {
            let field = if refused.field.is_empty() { "null".into() } else { quoted(&refused.field) };
            let (kind, message) = (quoted(&refused.kind), quoted(&refused.message));
            (0, format!("{{\"error\":{{\"kind\":{kind},\"field\":{field},\"message\":{message}}}}}"))
        }
    };
    let copy = malloc(told.len() + 1);
    std::ptr::copy_nonoverlapping(told.as_ptr().cast(), copy, told.len());
    *copy.add(told.len()) = 0;
    *answer = copy;
    *answer_size = told.len();
    done
}
