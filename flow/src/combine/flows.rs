//! [`Flows`]: several flows, as one value.

use std::fmt;
use std::pin::Pin;
use std::task::Context;

use corox_core::Result;
use pin_project_lite::pin_project;

use super::source::{Round, Source};
use crate::Flow;

/// Several flows whose items are [combined](crate::combine()): a tuple of two to six, an array, or a vector.
///
/// There is nothing to implement.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{Flow, Flows, combine, flow_of, prelude::*};
///
/// fn newest<G: Flows>(flows: G) -> impl Flow<Item = G::Items> {
///     combine(flows, |items| items)
/// }
///
/// run_blocking(async |_| {
///     let pairs = newest((flow_of([1, 2]), flow_of(["a", "b"])));
///     assert_eq!(pairs.to_vec().await?, [(1, "a"), (2, "b")]);
///     let lists = newest(vec![flow_of([1, 2]), flow_of([3, 4])]);
///     assert_eq!(lists.to_vec().await?, [vec![1, 3], vec![2, 4]]);
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "what is combined is a tuple of two to six flows, an array or a vector of flows, and their items are `Clone`",
    label = "not several flows of items that are `Clone`",
    note = "items that cannot be cloned go into an `Arc`: `flow.map(Arc::new)`",
    note = "more than six flows of different types: combine them in groups"
)]
pub trait Flows {
    /// One item of each.
    type Items;

    #[doc(hidden)]
    type Sources: Sources<Items = Self::Items>;

    #[doc(hidden)]
    fn into_sources(self) -> Self::Sources;
}

/// The flows with their newest items, while they run.
#[doc(hidden)]
pub trait Sources: Clone {
    type Items;

    /// Takes at most one new item from each.
    fn poll_round(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<Round>;

    /// Has each go on by one item.
    fn poll_ahead(self: Pin<&mut Self>, cx: &mut Context<'_>);

    /// Drops all.
    fn end(self: Pin<&mut Self>);

    /// The newest items, if there is one of each.
    fn items(&self) -> Option<Self::Items>;
}

macro_rules! tuples {
    ($($Name:ident: $($Flow:ident $source:ident),*;)*) => {
        $(
            pin_project! {
                #[doc(hidden)]
                pub struct $Name<$($Flow: Flow),*> {
                    $(#[pin] $source: Source<$Flow>,)*
                }
            }

            impl<$($Flow: Flow),*> Clone for $Name<$($Flow),*> {
                fn clone(&self) -> Self {
                    $Name { $($source: self.$source.fresh(),)* }
                }
            }

            impl<$($Flow: Flow<Item: Clone>),*> Flows for ($($Flow,)*) {
                type Items = ($($Flow::Item,)*);
                type Sources = $Name<$($Flow),*>;

                fn into_sources(self) -> Self::Sources {
                    let ($($source,)*) = self;
                    $Name { $($source: Source::new($source),)* }
                }
            }

            impl<$($Flow: Flow<Item: Clone>),*> Sources for $Name<$($Flow),*> {
                type Items = ($($Flow::Item,)*);

                #[inline]
                fn poll_round(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<Round> {
                    let this = self.project();
                    let mut round = Round::default();
                    $(this.$source.poll_update(cx, &mut round)?;)*
                    Ok(round)
                }

                #[inline]
                fn poll_ahead(self: Pin<&mut Self>, cx: &mut Context<'_>) {
                    let this = self.project();
                    $(this.$source.poll_ahead(cx);)*
                }

                fn end(self: Pin<&mut Self>) {
                    let this = self.project();
                    $(this.$source.end();)*
                }

                #[inline]
                fn items(&self) -> Option<Self::Items> {
                    Some(($(self.$source.value()?,)*))
                }
            }

            impl<$($Flow: Flow),*> fmt::Debug for $Name<$($Flow),*> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($Name)).finish_non_exhaustive()
                }
            }
        )*
    };
}

tuples! {
    Two: A a, B b;
    Three: A a, B b, C c;
    Four: A a, B b, C c, D d;
    Five: A a, B b, C c, D d, E e;
    Six: A a, B b, C c, D d, E e, G g;
}

/// Those of a list.
#[doc(hidden)]
pub struct List<S: Flow>(Vec<Pin<Box<Source<S>>>>);

impl<S: Flow> List<S> {
    fn new(flows: impl IntoIterator<Item = S>) -> Self {
        let sources = flows.into_iter().map(|flow| Box::pin(Source::new(flow)));
        List(sources.collect())
    }
}

impl<S: Flow> Clone for List<S> {
    fn clone(&self) -> Self {
        List(self.0.iter().map(|it| Box::pin(it.fresh())).collect())
    }
}

impl<S: Flow> fmt::Debug for List<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}

impl<S: Flow<Item: Clone>> Sources for List<S> {
    type Items = Vec<S::Item>;

    fn poll_round(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<Round> {
        let mut round = Round::default();
        for source in &mut self.0 {
            source.as_mut().poll_update(cx, &mut round)?;
        }
        Ok(round)
    }

    fn poll_ahead(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        for source in &mut self.0 {
            source.as_mut().poll_ahead(cx);
        }
    }

    fn end(mut self: Pin<&mut Self>) {
        self.0.clear();
    }

    fn items(&self) -> Option<Vec<S::Item>> {
        self.0.iter().map(|source| source.value()).collect()
    }
}

impl<S: Flow<Item: Clone>> Flows for Vec<S> {
    type Items = Vec<S::Item>;
    type Sources = List<S>;

    fn into_sources(self) -> List<S> {
        List::new(self)
    }
}

/// Those of an array.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Array<S: Flow, const N: usize>(List<S>);

impl<S: Flow<Item: Clone>, const N: usize> Sources for Array<S, N> {
    type Items = [S::Item; N];

    fn poll_round(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<Round> {
        Pin::new(&mut self.0).poll_round(cx)
    }

    fn poll_ahead(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        Pin::new(&mut self.0).poll_ahead(cx);
    }

    fn end(mut self: Pin<&mut Self>) {
        Pin::new(&mut self.0).end();
    }

    fn items(&self) -> Option<[S::Item; N]> {
        self.0.items()?.try_into().ok()
    }
}

impl<S: Flow<Item: Clone>, const N: usize> Flows for [S; N] {
    type Items = [S::Item; N];
    type Sources = Array<S, N>;

    fn into_sources(self) -> Array<S, N> {
        Array(List::new(self))
    }
}
