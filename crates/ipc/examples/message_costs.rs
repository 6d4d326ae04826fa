//! How many system calls does a message cost, and how many bytes does the
//! kernel copy for it? A message is a number of 8 bytes. The program traces the
//! sender and the receiver, and counts their calls for 100 messages.
//!
//! `cargo run -p ipc --example message_costs`
//! `cargo run -p ipc --example message_costs -- calls` lists the calls of one
//! message, and `-- typed` counts for the typed channel. `-- trace` and `-- path`
//! print what the book draws.

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::os::unix::net::UnixStream;

use ipc::{MessageQueue, SeqPacket, Transport};

#[path = "by_hand/ring.rs"]
mod ring;
#[path = "counting/tracer.rs"]
mod tracer;

use ring::Ring;
use tracer::{Call, Traced, Until, mark};

type Anything<T> = Result<T, Box<dyn Error>>;
type Half = Box<dyn FnMut() -> Anything<()>>;

const MESSAGES: usize = 100;
const MESSAGE: [u8; 8] = 42_u64.to_ne_bytes();

/// A way for a message.
struct Way {
    name: &'static str,
    send: Half,
    receive: Half,
}

impl Way {
    fn new(
        name: &'static str,
        send: impl FnMut() -> Anything<()> + 'static,
        receive: impl FnMut() -> Anything<()> + 'static,
    ) -> Way {
        let (send, receive) = (Box::new(send), Box::new(receive));
        Way {
            name,
            send,
            receive,
        }
    }
}

fn ways() -> Anything<Vec<Way>> {
    let (mut reader, mut writer) = pipe()?;
    let (mut here, mut there) = UnixStream::pair()?;
    let (packets_in, packets_out) = SeqPacket::pair()?;
    let name = format!("/message-costs-{}", std::process::id());
    let mut queue_in = MessageQueue::create(&name, 8, 64)?;
    let queue_out = MessageQueue::open(&name)?;
    queue_in.unlink()?;
    let (ring_in, ring_out) = {
        let ring = std::rc::Rc::new(Ring::new()?);
        (ring.clone(), ring)
    };
    Ok(vec![
        Way::new(
            "pipe",
            move || Ok(writer.write_all(&MESSAGE)?),
            move || Ok(reader.read_exact(&mut [0; 8])?),
        ),
        Way::new(
            "stream socket",
            move || Ok(here.write_all(&MESSAGE)?),
            move || Ok(there.read_exact(&mut [0; 8])?),
        ),
        Way::new(
            "seqpacket socket",
            move || Ok(packets_in.send(&MESSAGE)?),
            move || Ok(packets_out.receive(&mut [0; 8]).map(drop)?),
        ),
        Way::new(
            "message queue",
            move || Ok(queue_in.send(&MESSAGE, 0)?),
            move || Ok(queue_out.receive().map(drop)?),
        ),
        Way::new(
            "ring of Step 6",
            move || ring_in.send(42).then_some(()).ok_or("full".into()),
            move || {
                ring_out.receive();
                Ok(())
            },
        ),
    ])
}

/// The ring of this library. It looks many times before it sleeps, so only its
/// calls without sleep can be counted exactly.
fn library_ring() -> Anything<Way> {
    let (mut producer, mut consumer) = ipc::ring::<u64>(8)?;
    Ok(Way::new(
        "ipc::ring",
        move || Ok(producer.push(42)?),
        move || Ok(consumer.pop().map(drop)?),
    ))
}

fn typed(transport: Transport) -> Anything<Way> {
    let name = match transport {
        Transport::Pipe => "Pipe",
        Transport::Stream => "Stream",
        Transport::SeqPacket => "SeqPacket",
        Transport::MessageQueue => "MessageQueue",
        Transport::SharedMemory => "SharedMemory",
        _ => "another transport",
    };
    let (mut here, mut there) = ipc::channel::<u64, u64>(transport)?;
    Ok(Way::new(
        name,
        move || Ok(here.send(&42)?),
        move || Ok(there.recv().map(drop)?),
    ))
}

/// One process sends and receives, so no receive has to wait.
fn awake(mut way: Way) -> Anything<Vec<Call>> {
    let mut both = Traced::start(|| {
        loop {
            mark();
            if (way.send)().and_then(|()| (way.receive)()).is_err() {
                return;
            }
        }
    })?;
    // The first message may cost more: memory is touched for the first time.
    both.run(Until::Mark)?;
    both.run(Until::Mark)?;
    both.calls.clear();
    for _ in 0..MESSAGES {
        both.run(Until::Mark)?;
    }
    let calls = both.calls.clone();
    both.end()?;
    Ok(calls)
}

/// A sender and a receiver. The sender sends only when the receiver sleeps.
struct Pair {
    sender: Traced,
    receiver: Traced,
}

impl Pair {
    fn start(mut way: Way) -> Anything<Pair> {
        let receive = || while (way.receive)().is_ok() {};
        let receiver = Traced::start(receive)?;
        let sender = Traced::start(|| {
            loop {
                mark();
                if (way.send)().is_err() {
                    return;
                }
            }
        })?;
        let mut pair = Pair { sender, receiver };
        pair.sender.run(Until::Mark)?;
        pair.receiver.run(Until::Asleep)?;
        pair.one_message()?;
        pair.forget();
        Ok(pair)
    }

    fn one_message(&mut self) -> Anything<()> {
        self.sender.run(Until::Mark)?;
        Ok(self.receiver.run(Until::Asleep)?)
    }

    fn forget(&mut self) {
        self.sender.calls.clear();
        self.receiver.calls.clear();
    }

    fn end(self) -> Anything<()> {
        self.sender.end()?;
        Ok(self.receiver.end()?)
    }
}

fn asleep(way: Way) -> Anything<Vec<Call>> {
    let mut pair = Pair::start(way)?;
    for _ in 0..MESSAGES {
        pair.one_message()?;
    }
    let calls = [&pair.sender.calls[..], &pair.receiver.calls].concat();
    pair.end()?;
    Ok(calls)
}

fn copied(calls: &[Call]) -> u64 {
    calls.iter().map(|call| call.copied).sum()
}

fn table() -> Anything<()> {
    println!("{MESSAGES} messages of 8 bytes    system calls, if the receiver    bytes that");
    println!("                             is awake    sleeps first    the kernel copied");
    for (way, same) in ways()?.into_iter().zip(ways()?) {
        let name = way.name;
        let (awake, asleep) = (awake(way)?, asleep(same)?);
        let bytes = copied(&awake);
        if bytes != copied(&asleep) {
            return Err("a sleep changes what is copied".into());
        }
        let (awake, asleep) = (awake.len(), asleep.len());
        println!("{name:<24} {awake:>12} {asleep:>15} {bytes:>20}");
    }
    let calls = awake(library_ring()?)?;
    let (name, dash, bytes) = ("ipc::ring", "-", copied(&calls));
    println!("{name:<24} {:>12} {dash:>15} {bytes:>20}", calls.len());
    Ok(())
}

fn typed_table() -> Anything<()> {
    println!("{MESSAGES} values of type u64   system calls   bytes that the kernel copied");
    for transport in Transport::ALL {
        let way = typed(transport)?;
        let name = way.name;
        let calls = awake(way)?;
        println!("{name:<24} {:>12} {:>30}", calls.len(), copied(&calls));
    }
    Ok(())
}

/// One message each, call by call. The receiver sleeps when the message comes.
fn listing() -> Anything<()> {
    for way in ways()? {
        println!("{}", way.name);
        let mut pair = Pair::start(way)?;
        let sleeps_in = pair.receiver.sleeps_in().unwrap_or("nothing");
        println!("  receiver  {sleeps_in:<15} sleeps");
        pair.one_message()?;
        for call in &pair.sender.calls {
            println!("  sender    {}", describe(call));
        }
        for call in &pair.receiver.calls {
            println!("  receiver  {}", describe(call));
        }
        pair.end()?;
    }
    Ok(())
}

fn describe(call: &Call) -> String {
    let name = tracer::name(call.number);
    match i32::try_from(-call.result) {
        Ok(error @ 1..) => format!("{name:<15} {:?}", nix::errno::Errno::from_raw(error)),
        _ => format!("{name:<15} {}", call.result),
    }
}

fn trace() -> Anything<()> {
    let mut bars = Vec::new();
    let mut bar = |name: String, calls: usize, look: &str| {
        let value = calls as f64 / MESSAGES as f64;
        bars.push(format!(
            r#"{{"name":"{name}","value":{value},"look":"{look}"}}"#
        ));
    };
    for (way, same) in ways()?.into_iter().zip(ways()?) {
        let name = short(&way);
        bar(format!("{name}, awake"), awake(way)?.len(), "plain");
        bar(format!("{name}, asleep"), asleep(same)?.len(), "waits");
    }
    bar(
        "ipc::ring, awake".to_owned(),
        awake(library_ring()?)?.len(),
        "shared",
    );
    let bars = bars.join(",\n ");
    println!(r#"{{"kind":"bars","unit":"system calls for a message","bars":["#);
    println!(" {bars}\n]}}");
    Ok(())
}

fn short(way: &Way) -> &'static str {
    match way.name {
        "stream socket" => "stream",
        "seqpacket socket" => "seqpacket",
        "message queue" => "queue",
        "ring of Step 6" => "own ring",
        other => other,
    }
}

/// The calls of one message over a pipe and over the ring, as a picture with a
/// lane for each process. A call of the sender takes a step, and the receiver
/// sleeps meanwhile.
fn path() -> Anything<()> {
    let (mut lanes, mut arrows) = (Vec::new(), Vec::new());
    let shown = |way: &Way| ["pipe", "message queue", "ring of Step 6"].contains(&way.name);
    for way in ways()?.into_iter().filter(shown) {
        let name = short(&way);
        let mut pair = Pair::start(way)?;
        let asleep = pair.receiver.sleeps_in().unwrap_or("nothing");
        pair.one_message()?;
        let mut step = 1;
        let mut sender = Vec::new();
        for call in &pair.sender.calls {
            sender.push(span(step, step + 1, tracer::name(call.number), "runs"));
            step += 1;
        }
        let mut receiver = vec![span(0, step, &format!("asleep in {asleep}"), "waits")];
        let woken = step;
        for call in &pair.receiver.calls {
            let ends = match call.result {
                ..0 => "again: nothing",
                _ => tracer::name(call.number),
            };
            receiver.push(span(step, step + 1, ends, "runs"));
            step += 1;
        }
        let lane = lanes.len();
        arrows.push(format!(
            r#"{{"from":{{"lane":{lane},"at":{woken}}},"to":{{"lane":{},"at":{woken}}},"label":"wakes"}}"#,
            lane + 1
        ));
        for (side, spans) in [("sender", sender), ("receiver", receiver)] {
            let spans = spans.join(",\n  ");
            lanes.push(format!(
                "{{\"name\":\"{name}: {side}\",\"spans\":[\n  {spans}]}}"
            ));
        }
        pair.end()?;
    }
    let (lanes, arrows) = (lanes.join(",\n "), arrows.join(",\n "));
    println!(r#"{{"kind":"lanes","axis":"steps","lanes":["#);
    println!(" {lanes}\n],\"arrows\":[\n {arrows}\n]}}");
    Ok(())
}

fn span(from: usize, to: usize, label: &str, look: &str) -> String {
    format!(r#"{{"from":{from},"to":{to},"label":"{label}","look":"{look}"}}"#)
}

fn main() -> Anything<()> {
    match std::env::args().nth(1).as_deref() {
        None => table(),
        Some("typed") => typed_table(),
        Some("calls") => listing(),
        Some("trace") => trace(),
        Some("path") => path(),
        Some(other) => Err(format!("what is `{other}`?").into()),
    }
}
