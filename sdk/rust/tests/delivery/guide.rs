//! The code of docs/sdk-rust.md, word for word.

use std::time::{Duration, SystemTime};

use suanpan_sdk::{Client, ClientConfig, Error, Event, Sender, SenderConfig, Status};

use crate::edge::{Edge, LONG, client};

async fn quick_start() -> Result<(), Error> {
    let client = Client::open(ClientConfig::new("https://analytics.example.org", "spw_KEY", "event-queue"))?;
    client.track(Event::new("purchase").user("u-17").property("amount", 19.9))?;
    client.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

async fn durable(client: &Client) -> Result<uuid::Uuid, Error> {
    let id = client.track(Event::new("order_paid").user("u-17"))?.on_disk().await?;
    Ok(id)
}

fn events(client: &Client) -> Result<(), Error> {
    client.set_property_of_all("region", "north");
    client.track(
        Event::new("add_to_cart")
            .user("u-17")
            .device("d-4f2a")
            .session("s-1")
            .platform("server")
            .time(SystemTime::now())
            .property("sku", "A-1")
            .properties([("amount", 19.9), ("weight_kg", 0.4)]),
    )?;

    client.track(Event::identify("u-17", "d-4f2a"))?;
    client.track(Event::profile_set("u-17", [("plan", "pro")]))?;
    client.track(Event::profile_set_once("u-17", [("first_channel", "ad")]))?;
    client.track(Event::profile_increment("u-17", [("orders", 1)]))?;
    client.track(Event::profile_append("u-17", [("tags", "early")]))?;
    client.track(Event::profile_unset("u-17", ["plan"]))?;
    Ok(())
}

async fn without_a_disk() -> Result<(), Error> {
    let sender = Sender::new(SenderConfig::new("https://analytics.example.org", "spw_KEY"))?;
    let (_id, json) = Event::new("purchase").user("u-17").into_json();
    let results = sender.send(&[json]).await?;
    assert_eq!(results[0].status, Status::Ok);
    Ok(())
}

#[tokio::test]
async fn the_guides_code_is_this_and_works() {
    let guide = include_str!("../../../../docs/sdk-rust.md");
    let lines = |text: &'static str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let here = lines(include_str!("guide.rs"));
    let mut blocks = 0;
    for block in guide.split("```rust\n").skip(1) {
        let code = block.split("```").next().unwrap();
        assert!(here.contains(lines(code).trim()), "not compiled here:\n{code}");
        blocks += 1;
    }
    assert_eq!(blocks, 4);

    // Their server is not there to be asked: that these compile is what they show.
    drop((quick_start(), without_a_disk()));

    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(client(&edge.address, &edge.key, &folder)).unwrap();
    let id = durable(&client).await.unwrap().to_string();
    events(&client).unwrap();
    client.flush(LONG).await.unwrap();
    assert_eq!(client.counts().delivered, 8);
    assert!(edge.ids().await.contains(&id));
}
