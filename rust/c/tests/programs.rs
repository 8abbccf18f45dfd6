//! Programs in C and C++ that link the library.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::env::consts::DLL_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    output
}

/// The folder with the library, which `cargo test` does not build of itself.
fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        run(build.args(["build", "--quiet", "--offline", "--locked", "-p", "servemix-c"]).current_dir(root()));
        // This program is in target/debug/deps.
        let program = env::current_exe().unwrap();
        let folder = program.ancestors().nth(2).unwrap().with_file_name("debug");
        assert!(folder.join(format!("libservemix{DLL_SUFFIX}")).is_file(), "no library in {}", folder.display());
        folder
    })
}

/// The compiled program; `None` where there is no compiler.
fn compiled(compiler: &str, standard: &str, source: &str, is_static: bool) -> Option<Command> {
    if cfg!(windows) || Command::new(compiler).arg("--version").output().is_err() {
        eprintln!("skipped: no {compiler} on this system");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(compiler.replace('+', "x"));
    fs::create_dir_all(&folder).unwrap();
    let name = Path::new(source).file_stem().unwrap().to_str().unwrap();
    // Tests run side by side, and a program cannot be started while another test writes it.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let program = folder.join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let mut compile = Command::new(compiler);
    compile.args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(root().join("rust/c/include"));
    compile.arg(root().join(source));
    match is_static {
        true => compile.arg(library().join("libservemix.a")).args(["-lpthread", "-ldl"]),
        false => compile.arg("-L").arg(library()).arg("-lservemix"),
    };
    run(compile.args(["-lm", "-o"]).arg(&program));
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", library()).env("DYLD_LIBRARY_PATH", library());
    Some(command)
}

#[test]
fn the_example_plans_keeps_its_plan_up_to_date_and_routes() {
    for is_static in [false, true] {
        let Some(mut example) = compiled("cc", "-std=c99", "examples/c/controller.c", is_static) else { return };
        let output = run(example.arg(root().join("examples/problem.json")));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("first plan: "), "{text}");
        assert_eq!(text.matches("\nnew deployments: ").count(), 3, "{text}");
        assert!(text.contains("  start 1 of configuration") && text.contains(" can be served"), "{text}");
        assert!(text.contains("refused: ") && text.contains("got NaN"), "{text}");
        assert_eq!(text.matches("goes to configuration").count() + text.matches("is not served").count(), 5, "{text}");
    }
}

#[test]
fn the_example_says_what_is_wrong_with_its_input() {
    let Some(mut example) = compiled("cc", "-std=c99", "examples/c/controller.c", false) else { return };
    let bad = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad.json");
    let good = fs::read_to_string(root().join("examples/problem.json")).unwrap();
    fs::write(&bad, good.replace("\"rate_per_h\": 3600.0", "\"rate_per_h\": -1.0")).unwrap();
    let output = example.arg(bad).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("problem: error 1: query_types[0].rate_per_h"), "{text}");
}

#[test]
fn wrong_input_and_null_are_errors_everywhere() {
    let Some(mut program) = compiled("cc", "-std=c99", "rust/c/tests/misuse.c", false) else { return };
    run(program.arg(root().join("examples/problem.json")));
}

#[test]
fn the_header_serves_cpp_too() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("version.cpp");
    fs::write(&source, "#include \"servemix.h\"\nint main() { return servemix_version()[0] == '\\0'; }\n").unwrap();
    let Some(mut program) = compiled("c++", "-std=c++11", source.to_str().unwrap(), false) else { return };
    run(&mut program);
}
