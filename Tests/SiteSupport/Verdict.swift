/// What a judge, or a row of the torture, found and counted. Verdicts of several runs add up.
package struct Verdict: Codable, Sendable, Equatable {
    /// Every fault there is a word for. The word stands in result files: it may not change.
    package enum Fault: String, Codable, Sendable, CaseIterable {
        /// Acknowledged under an id that is not stored.
        case lost
        /// Stored, though every attempt was refused.
        case refusedButStored = "refused but stored"
        /// Stored more often than the answers of its attempts allow.
        case storedTwice = "stored twice"
        /// Stored, and no client ever sent it.
        case unheardOf = "unheard of"
        /// A message's debit is not its recipients, or its refunds are not what was cancelled of it.
        case miscounted
        /// A usage counter is not the sum of the ledger.
        case counterOff = "counter off"
        /// A debit took a counter over the cap in force.
        case overCap = "over a cap"
        /// A debit after a revoke, in a suspension, or without the sender domain.
        case unauthorised
        /// A debit on a day that is not the tenant's at its instant.
        case wrongDay = "wrong day"
        /// Said to be delivered, and the sink never took it.
        case falselyDelivered = "falsely delivered"
        /// The sink took what is not stored, or was bounced or cancelled, with nothing to excuse it.
        case strayDelivery = "stray delivery"
        /// Taken more than once by the sink, with nothing that promise 5 excuses it by.
        case duplicate
        /// Neither delivered nor bounced although there was time.
        case stuck
        /// Not back in service within the row's deadline.
        case late
        /// A client saw an answer that it must not see.
        case wrongAnswer = "wrong answer"
        /// The run itself fell short: too few faults done to the system, a client that did not come to its end.
        case noTest = "no test"
    }

    package struct Finding: Codable, Sendable, Equatable {
        package var fault: Fault
        package var count: Int
        /// The first few.
        package var details: [String]

        package init(fault: Fault, count: Int, details: [String]) {
            self.fault = fault
            self.count = count
            self.details = details
        }
    }

    package private(set) var findings: [Finding] = []
    /// What adds up: messages, kills, duplicates, …
    package private(set) var counts: [String: Int] = [:]
    /// What is compared: of several runs the largest. Seconds, unless the name says otherwise.
    package private(set) var worst: [String: Double] = [:]

    package init() {}

    package var isGood: Bool { findings.isEmpty }
    package var faults: Set<Fault> { Set(findings.map(\.fault)) }

    package mutating func add(_ fault: Fault, _ detail: String) {
        add(Finding(fault: fault, count: 1, details: [detail]))
    }
    package mutating func count(_ name: String, _ number: Int = 1) { counts[name, default: 0] += number }
    package mutating func measure(_ name: String, _ value: Double) { worst[name] = max(worst[name] ?? value, value) }

    package mutating func add(_ other: Verdict) {
        for finding in other.findings { add(finding) }
        for (name, number) in other.counts { count(name, number) }
        for (name, value) in other.worst { measure(name, value) }
    }

    private mutating func add(_ finding: Finding) {
        guard let known = findings.firstIndex(where: { $0.fault == finding.fault }) else {
            findings.append(finding)
            return
        }
        findings[known].count += finding.count
        findings[known].details = Array((findings[known].details + finding.details).prefix(5))
    }
}
