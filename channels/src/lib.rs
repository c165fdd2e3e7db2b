#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *A channel*: [`Channel::new`] with a [`Capacity`] ([`DEFAULT_BUFFER`]); [`Channel::builder`] ([`ChannelBuilder`]) for a
//!   policy of a full channel ([`BufferOverflow`]) and a hook for elements that nobody receives.
//! - *Ends that close it when they are dropped*: [`Channel::split`] gives a [`Sender`] and a [`Receiver`].
//! - *Sending*: [`send`](Channel::send) ([`Sending`], [`SendError`]), [`try_send`](Channel::try_send) ([`TrySendError`]).
//! - *Receiving*: [`receive`](Channel::receive) ([`Receive`], [`ReceiveError`]), [`next`](Channel::next) ([`Next`]) for loops,
//!   [`receive_catching`](Channel::receive_catching) ([`ReceiveCatching`], [`ChannelResult`]),
//!   [`try_receive`](Channel::try_receive) ([`TryReceiveError`]); several at a time
//!   [`receive_many`](Channel::receive_many) ([`ReceiveMany`]); everything [`consume_each`](Channel::consume_each),
//!   [`to_vec`](Channel::to_vec).
//! - *From threads without coroutines*: [`send_blocking`](Channel::send_blocking),
//!   [`receive_blocking`](Channel::receive_blocking).
//! - *As futures' traits*: a `Stream` ([`Elements`]) and a `Sink` ([`ElementSink`]). With the feature `async-channel`,
//!   `AsyncChannelExt` goes from and to channels of that crate.
//! - *Choosing*, with `corox_core`'s `select`: [`on_send`](Channel::on_send) ([`OnSend`]), [`on_send_from`](Channel::on_send_from)
//!   ([`OnSendFrom`]), [`on_receive`](Channel::on_receive) ([`OnReceive`]),
//!   [`on_receive_catching`](Channel::on_receive_catching) ([`OnReceiveCatching`]).
//! - *Coroutines with a channel*, of [`ChannelBuilders`]: [`produce`](ChannelBuilders::produce) ([`ProducerScope`]),
//!   [`actor`](ChannelBuilders::actor) ([`ActorScope`]), [`ticker`](ChannelBuilders::ticker) ([`TickerMode`]),
//!   [`fan_in`](ChannelBuilders::fan_in).
//! - *Ending*: [`close`](Channel::close), after which what is there is received; [`cancel`](Channel::cancel), which disposes of
//!   it; [`on_close`](Channel::on_close) ([`HandlerAlreadySet`]).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "async-channel")]
mod async_channel;
mod attempt;
mod blocking;
mod builders;
mod capacity;
mod channel;
mod channel_builder;
mod consume;
mod error;
mod on_receive;
mod on_send;
mod receive_many;
mod receiving;
mod result;
mod sending;
mod shared;
mod shim;
mod sink;
mod split;
mod state;
mod stream;
mod ticker;

#[cfg(feature = "async-channel")]
#[cfg_attr(docsrs, doc(cfg(feature = "async-channel")))]
pub use async_channel::AsyncChannelExt;
pub use builders::{ActorScope, ChannelBuilders, ProducerScope};
pub use capacity::{BufferOverflow, Capacity, DEFAULT_BUFFER};
pub use channel::{Channel, HandlerAlreadySet};
pub use channel_builder::ChannelBuilder;
pub use error::{ReceiveError, SendError, TryReceiveError, TrySendError};
pub use on_receive::{OnReceive, OnReceiveCatching};
pub use on_send::{OnSend, OnSendFrom};
pub use receive_many::ReceiveMany;
pub use receiving::{Next, Receive, ReceiveCatching};
pub use result::ChannelResult;
pub use sending::Sending;
pub use sink::ElementSink;
pub use split::{Receiver, Sender};
pub use stream::Elements;
pub use ticker::TickerMode;
