//! Says where librecsys.so is: RECSYS_LIB names the folder in which `make` or `cmake --install` put it.

fn main() {
    println!("cargo:rerun-if-env-changed=RECSYS_LIB");
    if let Ok(folder) = std::env::var("RECSYS_LIB") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo:rustc-link-lib=dylib=recsys");
}
