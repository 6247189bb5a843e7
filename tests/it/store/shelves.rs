//! Shelves of small records: what both stores do alike.

use bigblueswarm::outside::store::{Shelf, Shelved, Store};

use super::home::Home;
use super::stories::stories;

fn record(id: &str, bytes: &[u8]) -> Shelved {
    (id.to_owned(), bytes.to_vec())
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

async fn on(store: &dyn Store, shelf: Shelf) -> Vec<Shelved> {
    store.shelf(shelf).await.expect("records")
}

async fn records_are_kept_by_shelf_and_id_and_survive_a_restart<H: Home>() {
    let mut home = H::start();
    let store = home.open();
    assert_eq!(on(&*store, Shelf::Hooks).await, []);
    let odd = [record("", b""), record("a\0b", b"\0\xff"), record("ü 😀", b"x")];
    store.shelve(Shelf::Recordings, odd.to_vec()).await.expect("stored");
    store.shelve(Shelf::Hooks, vec![record("1", b"one")]).await.expect("stored");
    store
        .shelve(Shelf::Hooks, vec![record("2", b"two"), record("1", b"eins")])
        .await
        .expect("stored");
    store.shelve(Shelf::Hooks, Vec::new()).await.expect("nothing");
    drop(store);
    home.restart();
    let store = home.open();
    assert_eq!(on(&*store, Shelf::Recordings).await, odd);
    assert_eq!(on(&*store, Shelf::Hooks).await, [record("1", b"eins"), record("2", b"two")]);
    store.unshelve(Shelf::Hooks, ids(&["1", "unknown"])).await.expect("removed");
    store.unshelve(Shelf::Hooks, Vec::new()).await.expect("nothing");
    assert_eq!(on(&*store, Shelf::Hooks).await, [record("2", b"two")]);
    assert_eq!(on(&*store, Shelf::Recordings).await, odd);
}

async fn many_records_come_back_whole_and_in_order<H: Home>() {
    let home = H::start();
    let store = home.open();
    let many: Vec<_> = (0..1_700).map(|n| record(&format!("{n:04}"), &[n as u8; 600])).collect();
    for part in many.chunks(500) {
        store.shelve(Shelf::Recordings, part.to_vec()).await.expect("stored");
    }
    assert!(on(&*store, Shelf::Recordings).await == many);
}

stories! {
    records_are_kept_by_shelf_and_id_and_survive_a_restart
    many_records_come_back_whole_and_in_order
}
