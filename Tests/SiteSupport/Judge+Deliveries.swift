extension Judge {
    /// Every recipient's state against the sink's own count.
    mutating func compareDeliveries() {
        let disturbances = evidence.disturbances.filter(\.mayDuplicate).map(\.at).sorted()
        var taken: [String: [Int64]] = [:]
        for delivery in evidence.deliveries { taken[delivery.address, default: []].append(delivery.at) }
        var copies: [String: Int] = [:]
        for message in evidence.stored {
            for recipient in message.recipients { copies[recipient.address, default: 0] += 1 }
        }
        for message in evidence.stored {
            for recipient in message.recipients {
                let times = taken[recipient.address, default: []].sorted()
                // A token stored twice is a fault of its own, or was allowed: its copies are not duplicates.
                let number = copies[recipient.address, default: 1]
                note(recipient, of: message, times, copies: number, disturbances)
            }
        }
        for (address, times) in taken where copies[address] == nil && !journalExplains(address) {
            note(.strayDelivery, "\(address), taken \(times.count) times and stored nowhere")
        }
    }

    private mutating func note(
        _ recipient: Evidence.Recipient, of message: Evidence.Stored, _ times: [Int64], copies: Int,
        _ disturbances: [Int64]
    ) {
        let name = "\(recipient.address) of \(message.id)"
        if message.isTest {
            if !times.isEmpty { note(.strayDelivery, "\(name), of a credential in test mode") }
            return
        }
        // Of several copies nobody knows which one was taken.
        let first = copies == 1 ? times.first : nil
        let excess = times.count - copies
        switch recipient.state {
        case "delivered":
            if times.isEmpty { note(.falselyDelivered, name) }
            count("delivered")
        case "bounced":
            // Taken, the reply lost, and refused at the next attempt.
            if let first, !isExcused(first, disturbances) { note(.strayDelivery, "\(name), bounced") }
            count("bounced")
        case "cancelled":
            if let first, !isExcused(first, disturbances) { note(.strayDelivery, "\(name), cancelled") }
            count("cancelled")
        default:
            if evidence.mustBeDrained { note(.stuck, "\(name), \(recipient.state)") }
            count("still queued")
        }
        guard excess > 0 else { return }
        count("duplicates", excess)
        for time in times.dropLast() where !isExcused(time, disturbances) {
            note(.duplicate, "\(name): taken \(times.count) times, with nothing that could have lost an outcome")
            break
        }
    }

    /// Whether the outcome of a delivery at that time may have been lost.
    private func isExcused(_ time: Int64, _ disturbances: [Int64]) -> Bool {
        // The first one that is not long before the delivery: its cause may have come while it was under way.
        var low = 0
        var high = disturbances.count
        while low < high {
            let middle = (low + high) / 2
            if disturbances[middle] < time - 2_000_000 { low = middle + 1 } else { high = middle }
        }
        return low < disturbances.count && disturbances[low] <= time + evidence.settleTime
    }

    /// Reports to senders go to whoever sent, not to a recipient of an attempt.
    private func journalExplains(_ address: String) -> Bool { !journal.knows(Evidence.token(of: address)) }
}
