//! A chat: rooms are actors under a name, who is in a room is in its group, and what is said there goes to its topics. Each
//! who talks is a program of its own.
//!
//! ```text
//! mobula up --nodes 2 &
//! cargo run --release --example chat -- --cluster http://127.0.0.1:7421 --room tea --name ann
//! cargo run --release --example chat -- --cluster http://127.0.0.1:7421 --room tea --name bob
//! ```
//!
//! A room gives what is said its order, keeps the latest of it, and hears when somebody is gone, whose program may have been
//! killed. It ends with the last who leaves. Where it is lost with its node, whoever notices first opens it again under
//! the same name.

use anyhow::Context;
use clap::Parser;
use mobula::prelude::*;
use mobula::{ActorId, ClusterArgs, Down, Subscription};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many lines a room keeps for those who come later.
const KEPT: usize = 100;
/// How often a program asks for what has not reached it: topics may lose messages.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How long leaving may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often a room is looked for that ends just when somebody enters.
const TRIES: usize = 20;

/// Talks in a room of a cluster: what is typed is said, what others say is printed. `/who` lists who is there, `/quit` leaves.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The room: letters, digits, `-` and `_`.
    #[arg(long, default_value = "lobby", value_parser = name)]
    room: String,
    /// The name under which you talk, as a room's.
    #[arg(long, value_parser = name)]
    name: String,
    /// Says that instead of what is typed, and leaves; may be given several times.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Leaves when so many lines of others have come.
    #[arg(long, value_name = "COUNT")]
    listen: Option<usize>,
}

/// A name that may be a segment of a topic.
fn name(text: &str) -> Result<String, String> {
    let is_fit = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    match text.chars().count() {
        1..=32 if text.chars().all(is_fit) => Ok(text.to_owned()),
        _ => Err("a name has 1 to 32 letters, digits, `-` and `_`".to_owned()),
    }
}

/// A line of a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// The room that numbered it: another one of the same name begins anew.
    room: ActorId,
    /// Lines of a room count from 1.
    number: u64,
    /// Who says it; nobody of what the room itself tells.
    from: Option<String>,
    text: String,
}

/// Somebody in a room. It ends with its program, and the room hears of that.
struct Member {
    name: String,
}

#[mobula::actor]
impl Member {
    pub fn new(name: String) -> Self {
        Member { name }
    }

    pub fn name(&self) -> String {
        self.name.clone()
    }
}

fn members_of(room: &str) -> mobula::Group<MemberHandle> {
    mobula::group(format!("chat.{room}"))
}

/// A room.
struct Room {
    name: String,
    lines: VecDeque<Line>,
    last: u64,
    /// Who is in it, by the numbers under which their ends are told.
    members: BTreeMap<u64, (ActorId, String)>,
}

#[mobula::actor]
impl Room {
    pub fn new(name: String) -> Self {
        Room { name, lines: VecDeque::new(), last: 0, members: BTreeMap::new() }
    }

    /// One that nobody enters does not stay.
    fn on_start(&mut self, context: &ActorContext) {
        context.send_after(Duration::from_secs(60), context.me::<RoomHandle>().close_if_empty());
    }

    pub fn close_if_empty(&mut self, context: &ActorContext) {
        if self.members.is_empty() {
            context.exit();
        }
    }

    /// Lets somebody in, and gives what was said before.
    pub async fn enter(
        &mut self,
        name: String,
        member: MemberHandle,
        context: &ActorContext,
    ) -> anyhow::Result<Vec<Line>> {
        match self.members.values().find(|(_, known)| *known == name) {
            Some((id, _)) if *id == member.id() => return Ok(self.after(0)),
            Some(_) => anyhow::bail!("somebody is called {name} in room {} already", self.name),
            None => {}
        }
        let watch = context.monitor(&member).await?;
        members_of(&self.name).join(&member).await?;
        self.members.insert(watch, (member.id(), name.clone()));
        let before = self.after(0);
        self.publish(context.id(), None, format!("{name} is here"));
        Ok(before)
    }

    pub fn say(&mut self, name: String, text: String, context: &ActorContext) {
        self.publish(context.id(), Some(name), text);
    }

    /// The lines behind that one which are kept.
    pub fn since(&self, number: u64) -> Vec<Line> {
        self.after(number)
    }

    fn on_down(&mut self, down: Down, context: &ActorContext) {
        if let Some((_, name)) = self.members.remove(&down.number) {
            self.publish(context.id(), None, format!("{name} has left"));
        }
        self.close_if_empty(context);
    }
}

impl Room {
    fn after(&self, number: u64) -> Vec<Line> {
        self.lines.iter().filter(|line| line.number > number).cloned().collect()
    }

    /// Numbers a line, keeps it, and tells everybody. Who misses it asks for it later.
    fn publish(&mut self, room: ActorId, from: Option<String>, text: String) {
        self.last += 1;
        let topic = match &from {
            Some(name) => format!("chat.{}.said.{name}", self.name),
            None => format!("chat.{}.told", self.name),
        };
        let line = Line { room, number: self.last, from, text };
        if let Err(error) = mobula::topic(topic).publish(&line) {
            eprintln!("a line was not published: {error}");
        }
        self.lines.push_back(line);
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }
}

#[mobula::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let cluster = arguments.cluster.connect().await?;
    let outcome = cluster.scope(talk(&arguments)).await;
    cluster.close().await;
    outcome
}

/// Enters, talks, and leaves, also when Ctrl-C is pressed.
async fn talk(arguments: &Arguments) -> anyhow::Result<()> {
    // Before entering, so that nothing is missed.
    let lines = mobula::subscribe::<Line>(format!("chat.{}.#", arguments.room)).await?;
    let member = MemberHandle::new(arguments.name.clone()).spawn().await?;
    let outcome = tokio::select! {
        outcome = stay(arguments, &member, lines) => outcome,
        pressed = tokio::signal::ctrl_c() => pressed.context("waiting for Ctrl-C"),
    };
    // The room is told at once. Where that takes long, it is told when the cluster finds this program gone.
    let _gone_either_way = tokio::time::timeout(FAREWELL, member.stop()).await;
    outcome
}

async fn stay(
    arguments: &Arguments,
    member: &MemberHandle,
    mut lines: Subscription<Line>,
) -> anyhow::Result<()> {
    let mut visit = Visit::begin(arguments, member).await?;
    for text in &arguments.say {
        visit.say(text).await?;
    }
    if !arguments.say.is_empty() && arguments.listen.is_none() {
        return Ok(());
    }
    let mut typed = typed_lines();
    let mut is_typing = arguments.say.is_empty();
    let mut catch_up = tokio::time::interval(CATCH_UP);
    while arguments.listen.is_none_or(|count| visit.heard < count) {
        tokio::select! {
            line = lines.next() => visit.hear(line.context("the session with the cluster is over")??.1).await?,
            _ = catch_up.tick() => visit.catch_up().await?,
            text = typed.recv(), if is_typing => match text.as_deref().map(str::trim) {
                Some("") => {}
                Some("/who") => println!("here: {}", visit.who().await?.join(", ")),
                Some("/quit") => return Ok(()),
                Some(text) => visit.say(text).await?,
                // Scripts have nothing to type, and listen on.
                None if arguments.listen.is_some() => is_typing = false,
                None => return Ok(()),
            },
        }
    }
    Ok(())
}

/// What is typed, by a thread that the program's end does not wait for.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Somebody's time in a room.
struct Visit<'a> {
    arguments: &'a Arguments,
    member: &'a MemberHandle,
    room: RoomHandle,
    /// The last line that was printed.
    last: u64,
    /// How many of others were.
    heard: usize,
}

impl<'a> Visit<'a> {
    async fn begin(arguments: &'a Arguments, member: &'a MemberHandle) -> mobula::Result<Self> {
        let (room, lines) = enter(arguments, member).await?;
        let mut visit = Visit { arguments, member, room, last: 0, heard: 0 };
        for line in lines {
            visit.print(&line);
        }
        // Nobody listens for what was said before.
        visit.heard = 0;
        Ok(visit)
    }

    /// Says something, in a new room where the old one is gone.
    async fn say(&mut self, text: &str) -> mobula::Result<()> {
        match self.room.say(self.arguments.name.clone(), text.to_owned()).await {
            Err(error) if error.kind() == ErrorKind::ActorDied => {
                self.enter_anew().await?;
                self.room.say(self.arguments.name.clone(), text.to_owned()).await
            }
            outcome => outcome,
        }
    }

    /// The names of those in the room's group.
    async fn who(&self) -> mobula::Result<Vec<String>> {
        let members = members_of(&self.arguments.room).members().await?;
        let asked: Vec<_> = members.iter().map(|member| member.name().submit()).collect();
        let mut names = Vec::new();
        for name in asked {
            // One that leaves meanwhile is not here.
            names.extend(name.await.ok());
        }
        names.sort();
        Ok(names)
    }

    /// A line has come: the next one, or one behind others that were lost.
    async fn hear(&mut self, line: Line) -> mobula::Result<()> {
        if line.room != self.room.id() || line.number > self.last + 1 {
            return self.catch_up().await;
        }
        self.print(&line);
        Ok(())
    }

    /// Asks for what has not come.
    async fn catch_up(&mut self) -> mobula::Result<()> {
        match self.room.since(self.last).await {
            Ok(lines) => lines.iter().for_each(|line| self.print(line)),
            Err(error) if error.kind() == ErrorKind::ActorDied => self.enter_anew().await?,
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn enter_anew(&mut self) -> mobula::Result<()> {
        let (room, lines) = enter(self.arguments, self.member).await?;
        (self.room, self.last) = (room, 0);
        lines.iter().for_each(|line| self.print(line));
        Ok(())
    }

    fn print(&mut self, line: &Line) {
        if line.number <= self.last {
            return;
        }
        self.last = line.number;
        match &line.from {
            Some(name) if *name == self.arguments.name => {}
            Some(name) => {
                self.heard += 1;
                println!("{name}: {}", line.text);
            }
            None => println!("* {}", line.text),
        }
    }
}

/// Enters a room, which is opened where there is none; what was said in it before.
async fn enter(arguments: &Arguments, member: &MemberHandle) -> mobula::Result<(RoomHandle, Vec<Line>)> {
    let (room, name) = (&arguments.room, &arguments.name);
    let mut tries = 0;
    loop {
        tries += 1;
        // It belongs to nobody who talks in it.
        let opened = RoomHandle::new(room.clone()).named(format!("chat.{room}")).get_or_create().detached();
        let opened = opened.spawn().await?;
        match opened.enter(name.clone(), member.clone()).await {
            Ok(lines) => return Ok((opened, lines)),
            // The last one has just left it.
            Err(error) if error.kind() == ErrorKind::ActorDied && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(name: &str) -> Arguments {
        Arguments::parse_from(["chat", "--room", "tea", "--name", name])
    }

    #[test]
    fn names_are_segments_of_topics() {
        assert!(name("ann-2").is_ok());
        for unfit in ["", "a.b", "*", "a b", &"a".repeat(33)] {
            assert!(name(unfit).is_err(), "{unfit}");
        }
    }

    #[mobula::test]
    async fn a_room_keeps_what_was_said_and_ends_with_the_last_who_leaves() -> anyhow::Result<()> {
        let (ann, bob) = (arguments("ann"), arguments("bob"));
        let (anns, bobs) = (
            MemberHandle::new("ann".to_owned()).spawn().await?,
            MemberHandle::new("bob".to_owned()).spawn().await?,
        );
        let mut first = Visit::begin(&ann, &anns).await?;
        first.say("good morning").await?;
        let mut second = Visit::begin(&bob, &bobs).await?;
        assert_eq!((second.last, second.who().await?), (2, vec!["ann".to_owned(), "bob".to_owned()]));
        second.say("hello").await?;
        first.catch_up().await?;
        assert_eq!((first.last, first.heard), (4, 1));
        let twice = enter(&ann, &bobs).await.err().context("two have one name")?;
        assert!(twice.to_string().contains("called ann"), "{twice}");
        let monitor = first.room.monitor().await?;
        anns.stop().await?;
        bobs.stop().await?;
        assert_eq!(monitor.await?.reason.kind(), mobula::ExitKind::Normal);
        Ok(())
    }
}
