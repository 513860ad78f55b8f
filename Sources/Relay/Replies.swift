package import SMTP
import TLS

/// The replies that the relay gives by itself; the dialogue's own live in `SMTP`.
extension Reply {
    static let shuttingDown = Reply(421, EnhancedCode(4, 3, 2), "The service is shutting down; please try again.")
    static let idleTooLong = Reply(421, EnhancedCode(4, 4, 2), "Idle for too long; closing the connection.")
    static let tooManyConnections = Reply(421, EnhancedCode(4, 3, 2), "Too many connections; please try again later.")
    static let tooManyConnectionsFromAddress = Reply(
        421, EnhancedCode(4, 7, 0), "Too many connections from your address; please try again later.")
    static let certificateRevoked = Reply(421, EnhancedCode(4, 7, 0), "Your certificate has been revoked.")
    static let certificateEnded = Reply(421, EnhancedCode(4, 7, 0), "Your certificate has ended.")
    static let authoritiesChanged = Reply(
        421, EnhancedCode(4, 7, 0), "The authorities trusted here have changed; please connect again.")
    static let revocationsUnreadable = Reply(
        421, EnhancedCode(4, 7, 0), "The list of revoked certificates cannot be read; please try again later.")
    static let revocationsOutOfDate = Reply(
        421, EnhancedCode(4, 7, 0), "The list of revoked certificates is out of date; please try again later.")
    /// To a forwarder that was trusted before.
    static func untrusted(_ condemnation: Revocations.Condemnation) -> Reply {
        switch condemnation {
        case .revoked: .certificateRevoked
        case .unreadable: .revocationsUnreadable
        case .outOfDate: .revocationsOutOfDate
        case .ended: .certificateEnded
        case .otherAuthorities: .authoritiesChanged
        }
    }
    static func filed(as name: String) -> Reply {
        Reply(250, EnhancedCode(2, 0, 0), "\(RemoteReply.filedText)\(name)")
    }
    static let diskFull = Reply(452, EnhancedCode(4, 3, 1), RemoteReply.diskFullText)
    static let cannotFile = Reply(
        451, EnhancedCode(4, 3, 0), RemoteReply.cannotFileText)
    static let fileRouteEnds = Reply(
        451, EnhancedCode(4, 3, 0), "The relay is shutting down; please try again later.")
}

extension ReplyGuide {
    /// What a relay's gate says besides; another server's words it passes on behind that server's name.
    package static let relay: [ReplyGuide] = [
        ReplyGuide(.filed(as: "20261128-1.eml"), "relay.route: file: the message is a file now"),
        ReplyGuide(.certificateRevoked, "the forwarder's certificate is on the revocation list", "`ca renew`"),
        ReplyGuide(.certificateEnded, "the forwarder's certificate has ended since it connected", "`ca renew`"),
        ReplyGuide(
            .authoritiesChanged, "a reload changed relay.authorities",
            "nothing, where one of them has certified the forwarder: it connects again"),
        ReplyGuide(
            .revocationsUnreadable, "relay.revocations is gone or cannot be read: no forwarder is trusted",
            "the list in its place, readable by the relay; `ca crl` makes it"),
        ReplyGuide(
            .revocationsOutOfDate, "the revocation list is past its time: no forwarder is trusted",
            "`ca crl`, and a copy of it where the relay looks"),
        ReplyGuide(.tooManyConnections, "the relay has its thousand connections", "who opens them: the relay's log"),
        ReplyGuide(
            .tooManyConnectionsFromAddress, "100 connections of one address without a certificate of the pool's",
            "the client"),
        ReplyGuide(.idleTooLong, "nothing came for a while"), ReplyGuide(.shuttingDown, "the relay stops or restarts"),
        ReplyGuide(.diskFull, "relay.route: file, and the disk is full", "room on the relay's disk"),
        ReplyGuide(.cannotFile, "relay.route: file, and the folder cannot be written", "the relay's log"),
        ReplyGuide(.fileRouteEnds, "the relay stops or restarts"),
    ]
}
