//! Faults put into the card or the wire on purpose, to see that the model notices them. None of this is in the gateway.

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// The card says that a group is safe as soon as it is asked to keep it.
    AcknowledgesBeforeFlush,
    /// A commit that failed is reported as done.
    ReportsFailureAsSuccess,
    /// One message in twenty is not written with its group.
    ForgetsAMessage,
    /// Rows of session states are not written.
    ForgetsStates,
    /// Parts of the index are not written.
    ForgetsRuns,
    /// Subscriptions are not written.
    ForgetsSubscriptions,
    /// Cleared retained messages stay.
    KeepsClearedRetained,
    /// Groups are not atomic: a power cut can leave the messages of a group without its states.
    TearsGroups,
    /// Deletion takes the live block behind the dead one along.
    DeletesTooMuch,
    /// A restart reads the messages in reverse order.
    ReadsBackwards,
    /// Messages read from the card are those of the wrong number.
    ReadsTheWrongMessage,
    /// A restart forgets that a message expires.
    ForgetsExpiry,
    /// One PUBLISH in fifty never leaves.
    DropsAPublish,
    /// One PUBLISH in fifty leaves twice.
    RepeatsAPublish,
    /// CONNACK says that there was no session.
    HidesSessions,
}

pub const MUTANTS: [Mutant; 15] = [
    Mutant::AcknowledgesBeforeFlush,
    Mutant::ReportsFailureAsSuccess,
    Mutant::ForgetsAMessage,
    Mutant::ForgetsStates,
    Mutant::ForgetsRuns,
    Mutant::ForgetsSubscriptions,
    Mutant::KeepsClearedRetained,
    Mutant::TearsGroups,
    Mutant::DeletesTooMuch,
    Mutant::ReadsBackwards,
    Mutant::ReadsTheWrongMessage,
    Mutant::ForgetsExpiry,
    Mutant::DropsAPublish,
    Mutant::RepeatsAPublish,
    Mutant::HidesSessions,
];
