//! Several clauses: tuples, vectors and arrays, each clause in a place of its own, from which it can be dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::claim::{Attempt, Registered, Registrar};
use super::clause::Clause;
use crate::launch_output::Never;

/// What a [`select`](crate::select()) takes: a tuple of up to twelve clauses, a `Vec` or an array of clauses of one type.
///
/// All clauses give the same type. In a `Vec` or an array each clause is boxed; [`Clause::boxed`] brings different ones to one
/// type.
///
/// Kotlin: the body of a `select`, whose receiver is a `SelectBuilder`.
///
/// ```
/// use corox_core::{Clause, on, run_blocking, select};
/// use std::future::ready;
///
/// run_blocking(async |_| {
///     assert_eq!(select((on(ready(1)), on(async { "two" }).then(str::len))).await, 1);
///     assert_eq!(select([on(ready(1)), on(ready(2))]).await, 1);
///     let clauses: Vec<_> = (1..4).map(|n| on(ready(n))).collect();
///     assert_eq!(select(clauses).await, 1);
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`select` takes a tuple, a `Vec` or an array of clauses that give one type, not `{Self}`",
    label = "not a tuple, `Vec` or array of clauses",
    note = "for one clause write a tuple of one: `select((clause,))`",
    note = "a future becomes a clause by `on(future)`"
)]
#[doc(alias = "SelectBuilder")]
pub trait Clauses {
    /// What each of the clauses gives.
    type Output;
    #[doc(hidden)]
    type Slots: Slots<Output = Self::Output>;
    #[doc(hidden)]
    fn into_slots(self) -> Self::Slots;
}

/// Clauses by index, from 0, in the order in which they were written.
pub trait Slots {
    /// What each of the clauses gives.
    type Output;
    /// How many there are, those that were dropped included.
    fn count(&self) -> usize;
    /// [`Clause::register`]
    fn register(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered;
    /// [`Clause::proceed`]
    fn proceed(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered;
    /// [`Clause::attempt`]
    fn attempt(self: Pin<&mut Self>, index: usize) -> Attempt;
    /// Attempts one after the other, as they were written, until one has won or cannot know; the winner.
    fn attempt_in_order(mut self: Pin<&mut Self>) -> Option<usize> {
        for index in 0..self.count() {
            match self.as_mut().attempt(index) {
                Attempt::Won => return Some(index),
                Attempt::Nothing => {}
                // Those after it must not win before it was asked.
                Attempt::Unknown => return None,
            }
        }
        None
    }
    /// [`Clause::complete`]
    fn complete(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Self::Output>;
    /// Drops all clauses but this one.
    fn keep_only(self: Pin<&mut Self>, index: usize);
}

fn gone() -> ! {
    unreachable!("a clause is asked for nothing after it was dropped")
}

macro_rules! tuples {
    ($($slots:ident $count:literal: $($clause:ident $field:ident $index:literal),+;)+) => {$(
        pin_project! {
            #[derive(Debug)]
            pub struct $slots<$($clause),+> {
                $(#[pin] $field: Option<$clause>,)+
            }
        }

        impl<T, $($clause: Clause<Output = T>),+> Clauses for ($($clause,)+) {
            type Output = T;
            type Slots = $slots<$($clause),+>;

            #[inline]
            fn into_slots(self) -> Self::Slots {
                let ($($field,)+) = self;
                $slots { $($field: Some($field)),+ }
            }
        }

        impl<T, $($clause: Clause<Output = T>),+> Slots for $slots<$($clause),+> {
            type Output = T;

            fn count(&self) -> usize {
                $count
            }

            fn register(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered {
                let this = self.project();
                match index {
                    $($index => match this.$field.as_pin_mut() {
                        Some(clause) => clause.register(at),
                        None => gone(),
                    },)+
                    _ => gone(),
                }
            }

            fn proceed(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered {
                let this = self.project();
                match index {
                    $($index => match this.$field.as_pin_mut() {
                        Some(clause) => clause.proceed(at),
                        None => gone(),
                    },)+
                    _ => gone(),
                }
            }

            fn attempt(self: Pin<&mut Self>, index: usize) -> Attempt {
                let this = self.project();
                match index {
                    $($index => match this.$field.as_pin_mut() {
                        Some(clause) => clause.attempt(),
                        None => gone(),
                    },)+
                    _ => gone(),
                }
            }

            // Without looking each up by its index.
            #[inline]
            fn attempt_in_order(self: Pin<&mut Self>) -> Option<usize> {
                let this = self.project();
                $(match this.$field.as_pin_mut().map(Clause::attempt) {
                    Some(Attempt::Won) => return Some($index),
                    Some(Attempt::Nothing) => {}
                    Some(Attempt::Unknown) => return None,
                    None => gone(),
                })+
                None
            }

            fn complete(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<T> {
                let this = self.project();
                match index {
                    $($index => match this.$field.as_pin_mut() {
                        Some(clause) => clause.complete(cx),
                        None => gone(),
                    },)+
                    _ => gone(),
                }
            }

            fn keep_only(self: Pin<&mut Self>, index: usize) {
                let mut this = self.project();
                $(if index != $index {
                    this.$field.set(None);
                })+
            }
        }
    )+};
}

tuples! {
    Slots1 1: A a 0;
    Slots2 2: A a 0, B b 1;
    Slots3 3: A a 0, B b 1, C c 2;
    Slots4 4: A a 0, B b 1, C c 2, D d 3;
    Slots5 5: A a 0, B b 1, C c 2, D d 3, E e 4;
    Slots6 6: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5;
    Slots7 7: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6;
    Slots8 8: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7;
    Slots9 9: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8;
    Slots10 10: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9;
    Slots11 11: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10;
    Slots12 12: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11;
}

/// No clauses: the select waits until it is cancelled.
impl Clauses for () {
    type Output = Never;
    type Slots = NoSlots;

    fn into_slots(self) -> NoSlots {
        NoSlots
    }
}

#[derive(Debug)]
pub struct NoSlots;

impl Slots for NoSlots {
    type Output = Never;

    fn count(&self) -> usize {
        0
    }

    fn register(self: Pin<&mut Self>, _index: usize, _at: &mut Registrar<'_>) -> Registered {
        gone()
    }

    fn proceed(self: Pin<&mut Self>, _index: usize, _at: &mut Registrar<'_>) -> Registered {
        gone()
    }

    fn attempt(self: Pin<&mut Self>, _index: usize) -> Attempt {
        gone()
    }

    fn complete(self: Pin<&mut Self>, _index: usize, _cx: &mut Context<'_>) -> Poll<Never> {
        gone()
    }

    fn keep_only(self: Pin<&mut Self>, _index: usize) {}
}

/// The clauses of a `Vec` or an array.
#[derive(Debug)]
pub struct ManySlots<C>(Vec<Option<Pin<Box<C>>>>);

impl<C> ManySlots<C> {
    fn at(self: Pin<&mut Self>, index: usize) -> Pin<&mut C> {
        match self.get_mut().0.get_mut(index) {
            Some(Some(clause)) => clause.as_mut(),
            _ => gone(),
        }
    }
}

impl<C: Clause> Clauses for Vec<C> {
    type Output = C::Output;
    type Slots = ManySlots<C>;

    fn into_slots(self) -> ManySlots<C> {
        let boxed = self.into_iter().map(|clause| Some(Box::pin(clause)));
        ManySlots(boxed.collect())
    }
}

impl<C: Clause, const N: usize> Clauses for [C; N] {
    type Output = C::Output;
    type Slots = ManySlots<C>;

    fn into_slots(self) -> ManySlots<C> {
        let boxed = self.into_iter().map(|clause| Some(Box::pin(clause)));
        ManySlots(boxed.collect())
    }
}

impl<C: Clause> Slots for ManySlots<C> {
    type Output = C::Output;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn register(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered {
        self.at(index).register(at)
    }

    fn proceed(self: Pin<&mut Self>, index: usize, at: &mut Registrar<'_>) -> Registered {
        self.at(index).proceed(at)
    }

    fn attempt(self: Pin<&mut Self>, index: usize) -> Attempt {
        self.at(index).attempt()
    }

    fn complete(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<C::Output> {
        self.at(index).complete(cx)
    }

    fn keep_only(self: Pin<&mut Self>, index: usize) {
        for (at, slot) in self.get_mut().0.iter_mut().enumerate() {
            if at != index {
                *slot = None;
            }
        }
    }
}
