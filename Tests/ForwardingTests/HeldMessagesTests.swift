import Ledger
import NIOCore
import Network
import Postgres
import SMTP
import Testing

@testable import Forwarding

@Suite struct HeldMessagesTests {
    private func message(_ number: UInt64, owner: UInt64 = 1, recipients: Int = 2, octets: Int = 10) throws
        -> QueuedMessage
    {
        let mailbox = try Mailbox(parsing: "a@b.example")
        return QueuedMessage(
            id: MessageID(high: number, low: 0), owner: MessageID(high: owner, low: 9), tenantID: 1, tenantSlug: "acme",
            credentialName: "acme.x", poolID: 1, sender: .null,
            recipients: (1...recipients).map { .init(number: Int32($0), mailbox: mailbox, attempts: 0) },
            content: ByteBuffer(repeating: 0, count: octets), isEightBit: false, acceptedAt: .now)
    }

    @Test func `room is bounded by number and by octets, and comes back with the last outcome`() throws {
        var held = HeldMessages(maxMessages: 2, maxOctets: 25)
        let first = try message(1)
        let added = try [first, first, message(2), message(3)].map { held.add($0) }
        #expect(added == [true, false, true, false])
        #expect(held.room == 0)
        held.finish(1, of: first)
        #expect(held.room == 0)
        held.finish(1, of: first)
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
        held.finish(2, of: first)
        #expect(budget.held == 60 && held.room == 9)
        held.removeAll()
        #expect(budget.held == 0)
    }

    @Test func `what was finished while the lease was in doubt, and leased again with it, is given back`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let message = try message(1)
        _ = held.add(message)
        let asked = held.leased
        held.finish(message.recipients.count, of: message)
        let returned = held.keep([.init(messageID: message.id, number: 2)], of: asked)
        #expect(returned.map(\.number) == [2])
        #expect(returned.map(\.owner) == [message.owner])
    }

    @Test func `after the lease came back, what is not wholly ours is dropped and the rest of it given back`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        let (whole, half, gone, late) = (try message(1), try message(2), try message(3), try message(4))
        for each in [whole, half, gone] { _ = held.add(each) }
        let asked = held.leased
        _ = held.add(late)
        let returned = held.keep(
            [
                .init(messageID: whole.id, number: 1), .init(messageID: whole.id, number: 2),
                .init(messageID: half.id, number: 2),
            ], of: asked)
        #expect(held.holds(whole))
        #expect(held.holds(late), "leased under the same registration, and nobody else will ever look for it")
        #expect(!held.holds(half))
        #expect(!held.holds(gone))
        #expect(returned.map(\.messageID) == [half.id] && returned.map(\.number) == [2])
        #expect(returned.map(\.outcome) == [.released(until: nil)])
    }

    @Test func `a message of another lease is not held`() throws {
        var held = HeldMessages(maxMessages: 10, maxOctets: 1000)
        _ = held.add(try message(1, owner: 1))
        #expect(!held.holds(try message(1, owner: 2)))
        held.finish(2, of: try message(1, owner: 2))
        #expect(held.holds(try message(1, owner: 1)))
    }
}
