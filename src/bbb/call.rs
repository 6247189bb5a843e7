//! The calls of the API by their exact names.

/// A call that we answer. Its name is case sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Create,
    Join,
    IsMeetingRunning,
    GetMeetingInfo,
    GetMeetings,
    GetSessions,
    End,
    InsertDocument,
    SendChatMessage,
    GetRecordings,
    PublishRecordings,
    DeleteRecordings,
    UpdateRecordings,
    GetRecordingTextTracks,
    PutRecordingTextTrack,
    HooksCreate,
    HooksList,
    HooksDestroy,
}

impl Call {
    pub const ALL: [Self; 18] = [
        Self::Create,
        Self::Join,
        Self::IsMeetingRunning,
        Self::GetMeetingInfo,
        Self::GetMeetings,
        Self::GetSessions,
        Self::End,
        Self::InsertDocument,
        Self::SendChatMessage,
        Self::GetRecordings,
        Self::PublishRecordings,
        Self::DeleteRecordings,
        Self::UpdateRecordings,
        Self::GetRecordingTextTracks,
        Self::PutRecordingTextTrack,
        Self::HooksCreate,
        Self::HooksList,
        Self::HooksDestroy,
    ];

    /// The call of this name, as written behind `/api/`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// The name that stands in the URL and at the start of the hashed text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Join => "join",
            Self::IsMeetingRunning => "isMeetingRunning",
            Self::GetMeetingInfo => "getMeetingInfo",
            Self::GetMeetings => "getMeetings",
            Self::GetSessions => "getSessions",
            Self::End => "end",
            Self::InsertDocument => "insertDocument",
            Self::SendChatMessage => "sendChatMessage",
            Self::GetRecordings => "getRecordings",
            Self::PublishRecordings => "publishRecordings",
            Self::DeleteRecordings => "deleteRecordings",
            Self::UpdateRecordings => "updateRecordings",
            Self::GetRecordingTextTracks => "getRecordingTextTracks",
            Self::PutRecordingTextTrack => "putRecordingTextTrack",
            Self::HooksCreate => "hooks/create",
            Self::HooksList => "hooks/list",
            Self::HooksDestroy => "hooks/destroy",
        }
    }

    /// Whether BBB takes this call as a GET.
    pub fn takes_get(self) -> bool {
        !matches!(self, Self::InsertDocument | Self::PutRecordingTextTrack)
    }

    /// Whether BBB takes this call as a POST.
    pub fn takes_post(self) -> bool {
        !matches!(
            self,
            Self::Join
                | Self::SendChatMessage
                | Self::PublishRecordings
                | Self::DeleteRecordings
                | Self::HooksCreate
                | Self::HooksList
                | Self::HooksDestroy
        )
    }

    /// Whether this call is about recordings: these have an older order of checks, and older words.
    pub fn is_about_recordings(self) -> bool {
        matches!(
            self,
            Self::GetRecordings
                | Self::PublishRecordings
                | Self::DeleteRecordings
                | Self::UpdateRecordings
                | Self::GetRecordingTextTracks
                | Self::PutRecordingTextTrack
        )
    }

    /// Whether this call belongs to the webhooks, which are a service beside BBB with words of its own.
    pub fn is_about_hooks(self) -> bool {
        matches!(self, Self::HooksCreate | Self::HooksList | Self::HooksDestroy)
    }

    /// Whether BBB takes this call's parameters in the body of a POST.
    pub fn takes_forms(self) -> bool {
        self.takes_post() && !matches!(self, Self::InsertDocument | Self::PutRecordingTextTrack)
    }

    /// Whether this call's body is XML with documents, which is streamed to the instance.
    pub fn takes_documents(self) -> bool {
        matches!(self, Self::Create | Self::InsertDocument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_its_exact_name() {
        for call in Call::ALL {
            assert_eq!(Call::parse(call.name()), Some(call));
            assert_eq!(Call::parse(&call.name().to_uppercase()), None);
        }
        assert_eq!(Call::parse(""), None);
        assert_eq!(Call::parse("create "), None);
        assert!(!Call::Join.takes_post());
    }
}
