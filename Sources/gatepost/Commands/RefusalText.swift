import Ledger
import SMTP
import Submission

/// A refusal of accept's, as its event keeps it: the reply made again by the code that made it.
enum RefusalText {
    static func reply(_ detail: JSON) -> String? {
        guard let verdict = detail["verdict"]?.plain.flatMap(AcceptRefusal.Verdict.init(rawValue:)) else { return nil }
        func number(_ name: String) -> Int64? { detail[name]?.plain.flatMap { Int64($0) } }
        return Rehearsal.reply(
            to: AcceptRefusal(
                verdict: verdict, limit: detail["limit_name"]?.plain, cap: number("cap"), used: number("used"),
                resetsText: detail["resets_text"]?.plain,
                policy: detail["policy"]?.plain.flatMap(AcceptRefusal.Policy.init(rawValue:)) ?? .deferral,
                detail: detail["detail"]?.plain)
        ).description
    }
}
