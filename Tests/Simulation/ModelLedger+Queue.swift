import Ledger
import Postgres

/// The forwarder's side: leases and outcomes (LEDGER, "Leases").
extension ModelLedger.Contents {
    /// `ledger.claim`: leases what is free and due.
    mutating func claim(
        _ owner: MessageID, at now: Moment, maxMessages: Int, ignoresTime: Bool = false
    ) throws(DatabaseError) -> Answer {
        guard owners.contains(where: { $0.id == owner }) else { throw .refused("no such owner", "GP001") }
        var claimed: [QueuedMessage] = []
        for place in messages.indices where claimed.count < maxMessages {
            let due = messages[place].recipients.indices.filter { index in
                let one = messages[place].recipients[index]
                return one.owner == nil && !one.isFinal && (one.next <= now || ignoresTime)
            }
            guard !due.isEmpty else { continue }
            for index in due { messages[place].recipients[index].lease(to: owner) }
            claimed.append(messages[place].queued(due, owner: owner))
        }
        return .claimed(claimed)
    }

    /// `ledger.settle`: what is leased to the owner no more, or again, is left as it is.
    mutating func settle(_ call: SettleCall, at now: Moment, takesAnyLease: Bool = false) -> Answer {
        for one in call.settlements {
            guard let place = places[one.messageID] else { continue }
            let index = Int(one.number) - 1
            var row = messages[place].recipients[index]
            guard row.owner == call.owner, row.lease == one.lease || takesAnyLease, !row.isFinal else { continue }
            row.owner = nil
            switch one.outcome {
            case .delivered: row.state = .delivered
            case .bounced: row.state = .bounced
            case .deferred(let until):
                row.state = .deferred
                row.attempts += 1
                row.next = until.map { Calendar.moment($0) } ?? now
            case .released(let until): row.next = until.map { Calendar.moment($0) } ?? now
            case .unreadable(let until): row.next = Calendar.moment(until)
            }
            messages[place].recipients[index] = row
        }
        return .done(true)
    }

    /// `ledger.owner_start`
    mutating func start(_ owner: MessageID, _ session: ModelConnection, incarnation: Int) -> Answer {
        owners.append(ModelLedger.OwnerRow(id: owner, session: session, incarnation: incarnation))
        return .done(true)
    }

    /// `ledger.owner_renew`
    mutating func renew(_ owner: MessageID, incarnation: Int) -> Answer {
        guard let index = owners.firstIndex(where: { $0.id == owner }) else { return .renewed(isLocked: nil) }
        owners[index].renewals += 1
        owners[index].incarnation = incarnation
        return .renewed(isLocked: !owners[index].session.isClosedByServer)
    }

    /// `ledger.owner_reclaim`: of these messages, what is the owner's still or is free and due.
    mutating func reclaim(
        _ owner: MessageID, _ asked: [Owner.LeasedMessage], _ session: ModelConnection, incarnation: Int, at now: Moment
    ) throws(DatabaseError) -> Answer {
        guard let index = owners.firstIndex(where: { $0.id == owner }) else { throw .refused("no such owner", "GP001") }
        guard owners[index].session.isClosedByServer || owners[index].session === session else {
            throw .refused("its lock is held", "55P03")
        }
        owners[index].renewals += 1
        owners[index].incarnation = incarnation
        owners[index].session = session
        var kept: [Owner.LeasedRecipient] = []
        for message in asked {
            guard let place = places[message.messageID] else { continue }
            for number in messages[place].recipients.indices {
                var row = messages[place].recipients[number]
                guard !row.isFinal, row.owner == owner || (row.owner == nil && row.next <= now) else { continue }
                if row.owner == nil { row.lease(to: owner) }
                messages[place].recipients[number] = row
                kept.append(
                    Owner.LeasedRecipient(messageID: message.messageID, number: Int32(number + 1), lease: row.lease))
            }
        }
        return .kept(kept)
    }

    /// `ledger.owner_leases`
    func leases(of owner: MessageID) -> Answer {
        var found: [Owner.LeasedRecipient: Int64] = [:]
        for message in messages {
            for (index, row) in message.recipients.enumerated() where row.owner == owner && !row.isFinal {
                found[.init(messageID: message.id, number: Int32(index + 1), lease: row.lease)] = Int64(message.tenant)
            }
        }
        return .leases(found)
    }

    /// `ledger.owner_stop`
    mutating func stop(_ owner: MessageID) -> Answer {
        owners.removeAll { $0.id == owner }
        return .done(free(owner))
    }

    /// `ledger.owners`
    func sightings(incarnation: Int) -> Answer {
        .owners(
            owners.map {
                OwnerSighting(
                    id: $0.id, renewals: $0.renewals, isLocked: !$0.session.isClosedByServer,
                    isOnThisServer: $0.incarnation == incarnation)
            })
    }

    /// `ledger.owner_free`: if it has not renewed since it was looked at.
    mutating func free(_ owner: MessageID, seen renewals: Int64) -> Answer {
        guard owners.contains(where: { $0.id == owner && $0.renewals == renewals }) else { return .done(false) }
        return stop(owner)
    }

    /// `ledger.upkeep_orphans`: what is leased to an owner that is not there.
    mutating func freeOrphans() -> Answer {
        var hasFreed = false
        for place in messages.indices {
            for index in messages[place].recipients.indices {
                guard let owner = messages[place].recipients[index].owner,
                    !owners.contains(where: { $0.id == owner })
                else { continue }
                messages[place].recipients[index].owner = nil
                hasFreed = true
            }
        }
        return .done(hasFreed)
    }

    private mutating func free(_ owner: MessageID) -> Bool {
        var hasFreed = false
        for place in messages.indices {
            for index in messages[place].recipients.indices where messages[place].recipients[index].owner == owner {
                messages[place].recipients[index].owner = nil
                hasFreed = true
            }
        }
        return hasFreed
    }

    /// Who has no outcome yet.
    var open: Int { messages.reduce(0) { $0 + $1.recipients.count { !$0.isFinal } } }

    /// When something free is due next; nil: nothing is free.
    var nextDue: Moment? {
        var least: Moment?
        for message in messages {
            for row in message.recipients where row.owner == nil && !row.isFinal {
                least = min(least ?? row.next, row.next)
            }
        }
        return least
    }
}

extension StoredMessage.Recipient {
    fileprivate mutating func lease(to owner: MessageID) {
        self.owner = owner
        lease += 1
    }
}
