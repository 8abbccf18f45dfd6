//! The header is what cbindgen makes of the sources.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::{env, fs};

#[test]
fn the_header_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["lib", "problem", "plan", "planner", "transition", "router"] {
        builder = builder.with_src(folder.join("src").join(file).with_extension("rs"));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let (made, path) = (String::from_utf8(made).unwrap(), folder.join("include/servemix.h"));
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::write(path, made).unwrap();
    } else {
        let wanted = "run UPDATE_HEADER=1 cargo test -p servemix-c --test header";
        assert!(fs::read_to_string(path).is_ok_and(|header| header.replace("\r\n", "\n") == made), "{wanted}");
    }
}
