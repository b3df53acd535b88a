//! A Rust program with a recommender in it: host PYTHON [FILE].

use recsys::{boot, Error, Recommender};

fn run(python: &str, file: &str) -> Result<(), Error> {
    boot(python)?;
    let rec = Recommender::open(&format!("{{\"path\":{file:?}}}"))?;
    rec.call("add", r#"{"items":[{"id":"tea","title":"Tea"},{"id":"cola","title":"Cola"}]}"#)?;
    rec.call("record", r#"{"item_id":"cola","at":"2026-03-02T08:00:00+01:00"}"#)?;
    println!("{}", rec.call("recommend", r#"{"k":2,"reasons":1,"at":"2026-03-03T08:00:00+01:00"}"#)?);
    if let Err(refused) = rec.call("record", r#"{"item_id":""}"#) {
        println!("{refused}");
    }
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| rec.call("stats", "{}"))).collect();
        asked.into_iter().map(|one| one.join().expect("no panic")).collect::<Result<Vec<_>, _>>()
    })?;
    println!("{}", rec.call("forget", r#"{"items":["cola"]}"#)?);
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let file = words.get(2).map_or(":memory:", String::as_str);
    let done = words.get(1).map_or_else(|| panic!("usage: host PYTHON [FILE]"), |python| run(python, file));
    if let Err(refused) = done {
        eprintln!("{refused}");
        std::process::exit(1);
    }
}
