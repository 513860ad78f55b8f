import Ledger
import NIOCore
import Network
import Postgres
import SMTP
import Testing

@testable import Forwarding

@Suite struct HeldMessagesTests {
    private func message(
        _ number: UInt64, owner: UInt64 = 1, recipients: ClosedRange<Int32> = 1...2, lease: Int32 = 0, octets: Int = 10
    ) throws -> QueuedMessage {
        let mailbox = try Mailbox(parsing: "a@b.example")
        return QueuedMessage(
            id: MessageID(high: number, low: 0), owner: MessageID(high: owner, low: 9), tenantID: 1, tenantSlug: "acme",
            credentialName: "acme.x", poolID: 1, sender: .null,
            recipients: recipients.map {
                .init(number: $0, envelope: EnvelopeRecipient(mailbox), attempts: 0, lease: lease)
            },
            content: ByteBuffer(repeating: 0, count: octets), isEightBit: false, acceptedAt: .now)
    }

    @Test func `room is bounded by number and by octets, and comes back with the last outcome`() throws {
        var held = HeldMessages(maxMessages: 2, maxOctets: 25)
        let first = try message(1)
        let added = try [first, first, message(2), message(3)].map { held.add($0) }
        #expect(added == [true, false, true, false])
        #expect(held.room == 0)
        held.finish(try message(1, recipients: 2...2))
        #expect(held.room == 0)
        held.finish(try message(1, recipients: 1...1))
        #expect(held.room == 1)
        let isAdded = held.add(try message(3, octets: 20))
        #expect(isAdded)
        #expect(held.room == 0)
    }

    @Test func `what is held counts in the budget that sessions take from, and is given back with the last outcome`()
        throws
    {
        let budget = BodyBudget(limit: 100)
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000, budget: budget)
        let (first, second, third) = (
            try message(1, octets: 60), try message(2, octets: 60), try message(3, octets: 60)
        )
        let isFirstTaken = held.add(first)
        let isSecondTaken = held.add(second)
        #expect(isFirstTaken && !isSecondTaken, "just accepted: it can be fetched again when there is room")
        #expect(budget.held == 60 && held.room == 9)
        let isThirdTaken = held.add(third, isClaimed: true)
        #expect(isThirdTaken, "fetched already")
        #expect(budget.held == 120 && held.room == 0, "and nothing more is fetched")
        held.finish(first)
        #expect(budget.held == 60 && held.room == 9)
        held.removeAll()
        #expect(budget.held == 0)
    }

    @Test func `what was finished while the lease was in doubt, and leased again with it, is given back`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let message = try message(1)
        _ = held.add(message)
        let asked = held.leased
        held.finish(message)
        let returned = held.keep(
            [.init(messageID: message.id, number: 2, lease: 1)], by: message.owner, of: asked)
        #expect(returned.map(\.number) == [2] && returned.map(\.lease) == [1])
        #expect(returned.map(\.owner) == [message.owner])
    }

    @Test func `a claim's answer that comes after its leases were given back finds nothing`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let underWay = try message(1, recipients: 2...2)
        _ = held.add(underWay)
        // The claim has leased 7 and 8 of it, under 33, and its answer is slow; meanwhile the lease is reclaimed, which tells of 7.
        let returned = held.keep(
            [.init(messageID: underWay.id, number: 2, lease: 0), .init(messageID: underWay.id, number: 7, lease: 33)],
            by: underWay.owner, of: held.leased)
        #expect(returned.map(\.number) == [7] && returned.map(\.lease) == [33])
        held.finish(underWay)
        let accepted = held.take([try message(2)], isClaimed: false, now: .now)
        #expect(accepted.taken.map(\.recipients.count) == [2], "no answer of a claim")
        let late = held.take([try message(1, recipients: 7...8, lease: 33)], isClaimed: true, now: .now)
        #expect(late.taken.map { $0.recipients.map(\.number) } == [[8]] && late.returned.isEmpty)
        held.finish(try message(1, recipients: 8...8, lease: 33))
        let next = held.take([try message(1, recipients: 7...7, lease: 34)], isClaimed: true, now: .now)
        #expect(next.taken.map { $0.recipients.map(\.number) } == [[7]])
    }

    @Test func `what is leased here and in no memory twice is given back, and taken by nobody under that lease`()
        throws
    {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let (here, lost, late) = (try message(1), try message(2), try message(3))
        _ = held.add(here)
        func leases(_ messages: [QueuedMessage]) -> [Owner.LeasedRecipient: Int64] {
            var leases: [Owner.LeasedRecipient: Int64] = [:]
            for message in messages {
                for one in message.recipients {
                    leases[.init(messageID: message.id, number: one.number, lease: one.lease)] = message.tenantID
                }
            }
            return leases
        }
        // The first sight may be of what is on its way.
        #expect(held.audit(leases([here, lost, late]), by: here.owner).isEmpty)
        let arrived = held.take([late], isClaimed: false, now: .now)
        #expect(arrived.taken.map(\.id) == [late.id])
        let returned = held.audit(leases([here, lost, late]), by: here.owner)
        #expect(returned.map(\.messageID) == [lost.id, lost.id] && returned.map(\.number) == [1, 2])
        #expect(returned.map(\.outcome) == [.released(until: nil), .released(until: nil)])
        let after = held.take([lost], isClaimed: false, now: .now)
        #expect(after.taken.isEmpty && after.returned.isEmpty, "its lease is over")
        let again = held.take([try message(2, lease: 1)], isClaimed: true, now: .now)
        #expect(again.taken.count == 1)
        #expect(held.audit(leases([here, late, try message(2, lease: 1)]), by: here.owner).isEmpty)
    }

    @Test func `more of a message that is here already comes again later, what there is no room for at once`() throws {
        var held = HeldMessages(maxMessages: 2, maxOctets: 1000)
        let now = Instant.now
        _ = held.add(try message(1, recipients: 1...1))
        let (taken, returned, _) = held.take(
            [try message(1, recipients: 2...2), try message(2), try message(3, recipients: 1...1)], isClaimed: true,
            now: now)
        #expect(taken.map(\.id) == [try message(2).id])
        #expect(returned.map(\.outcome) == [.released(until: now.advanced(by: .seconds(5))), .released(until: nil)])
    }

    @Test func `after the lease came back, what is not wholly ours is dropped and the rest of it given back`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let (whole, half, gone, late) = (try message(1), try message(2), try message(3), try message(4))
        for each in [whole, half, gone] { _ = held.add(each) }
        let asked = held.leased
        _ = held.add(late)
        let returned = held.keep(
            [
                .init(messageID: whole.id, number: 1, lease: 0), .init(messageID: whole.id, number: 2, lease: 0),
                .init(messageID: half.id, number: 2, lease: 0),
            ], by: whole.owner, of: asked)
        #expect(held.holds(whole))
        #expect(held.holds(late), "leased under the same registration, and nobody else will ever look for it")
        #expect(!held.holds(half))
        #expect(!held.holds(gone))
        // To give back what is another's changes nothing, and one that was claimed after the answer would be nobody's.
        #expect(
            Dictionary(grouping: returned, by: \.messageID).mapValues { $0.map(\.number) }
                == [half.id: [1, 2], gone.id: [1, 2]])
        #expect(returned.allSatisfy { $0.outcome == .released(until: nil) })
    }

    @Test func `what was leased anew with the lease is not what is in memory: it is given back, and the rest with it`()
        throws
    {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let message = try message(1)
        _ = held.add(message)
        let returned = held.keep(
            [.init(messageID: message.id, number: 1, lease: 0), .init(messageID: message.id, number: 2, lease: 1)],
            by: message.owner, of: held.leased)
        #expect(!held.holds(message))
        #expect(returned.map(\.number) == [2, 1, 2] && returned.map(\.lease) == [1, 0, 0])
    }

    @Test func `of a message that is kept, a recipient that had its outcome and was leased anew is given back`() throws
    {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let (message, first, second) = (
            try message(1), try message(1, recipients: 1...1), try message(1, recipients: 2...2)
        )
        _ = held.add(message)
        held.finish(first)
        let returned = held.keep(
            [.init(messageID: message.id, number: 1, lease: 1), .init(messageID: message.id, number: 2, lease: 0)],
            by: message.owner, of: held.leased)
        #expect(held.holds(second) && !held.holds(first) && !held.holds(message))
        #expect(returned.map(\.number) == [1] && returned.map(\.lease) == [1])
    }

    @Test func `what is held under an id that was given up is not kept under the next`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let message = try message(1, recipients: 1...1)
        _ = held.add(message)
        let next = MessageID(high: 2, low: 9)
        let returned = held.keep(
            [.init(messageID: message.id, number: 1, lease: 1)], by: next, of: held.leased)
        #expect(!held.holds(message))
        #expect(returned.map(\.owner) == [next, message.owner] && returned.map(\.lease) == [1, 0])
    }

    @Test func `a message of another lease is not held`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        _ = held.add(try message(1, owner: 1))
        #expect(!held.holds(try message(1, owner: 2)))
        held.finish(try message(1, owner: 2))
        #expect(held.holds(try message(1, owner: 1)))
    }

    @Test func `an earlier lease of a message is not held, and its outcome finishes nothing`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let (before, now) = (try message(1, lease: 1), try message(1, lease: 2))
        _ = held.add(now)
        #expect(held.holds(now) && !held.holds(before))
        held.finish(before)
        #expect(held.holds(now))
        held.finish(now)
        #expect(!held.holds(now) && held.room == 10)
    }
}
