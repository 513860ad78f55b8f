import ArgumentParser
import Foundation
import Tenancy
import Testing

@testable import gatepost

/// The table of limits, and what is made of it.
@Suite struct `The limits` {
    @Test func `stand in the README as in the table`() throws {
        let readme = try String(contentsOf: Golden.root.appending(path: "README.md"), encoding: .utf8)
        #expect(readme.contains(LimitTable.markdown), "the README's table must be:\n\(LimitTable.markdown)")
    }

    @Test func `have each a name of its own, and an option that the commands know`() throws {
        #expect(Set(LimitCatalogue.all.map(\.name)).count == LimitCatalogue.all.count)
        for limit in LimitCatalogue.tenant {
            #expect(throws: Never.self, "\(limit.option)") {
                _ = try Gatepost.parseAsRoot(
                    ["tenant", "set", "acme"] + LimitTable.sample(limit).split(separator: " ").map(String.init))
            }
            #expect(TenantSetting(rawValue: limit.name)?.limit == limit)
        }
        for setting in TenantSetting.allCases {
            let options = CommandDescription.root.following(["tenant", "set"]).shownArguments.map { "--\($0.long)" }
            #expect(options.contains(setting.option), "\(setting.option)")
        }
    }

    @Test func `read back what they are shown as`() throws {
        let values: [(TenantSetting, String)] = [
            (.daily, "unlimited"), (.daily, "7"), (.bytesDaily, "10GiB"), (.messageSize, "25MiB"), (.window, "rolling"),
            (.warn, "50,80,100"), (.warn, "none"), (.shadowDaily, "none"), (.shadowBytesDaily, "3MiB"), (.plan, "none"),
            (.plan, "small"), (.contact, "ops@acme.example"), (.partial, "on"), (.daily, "inherit"), (.burst, "5"),
        ]
        for (setting, text) in values {
            #expect(Show.value(try ArgumentText.value(of: setting, text), of: setting) == text, "\(setting)")
        }
    }

    @Test func `are never 0 or -1, and say so`() throws {
        for setting in TenantSetting.allCases where setting.limit != nil {
            for text in ["0", "-1"] {
                #expect(throws: ArgumentProblem.self, "\(setting) \(text)") {
                    _ = try ArgumentText.value(of: setting, text)
                }
            }
        }
        for number in ["1000000000000000000", "99999999999999999999"] {
            let large = try Run(["tenant", "set", "acme", "--daily", number])
            #expect(large.status == 64 && large.errors.contains("a whole number from 1 to 999999999999999999, or"))
        }
        let negative = try Run(["tenant", "set", "acme", "--daily", "-1"])
        #expect(negative.status == 64 && negative.errors.contains("hint: no option takes a number below 0; see"))
        let run = try Run(["tenant", "set", "acme", "--daily", "0"])
        #expect(run.status == 64 && run.errors.contains("or `unlimited`: the word; 0 and -1 are not taken for it"))
        for (setting, text) in [
            (.warn, "0"), (.warn, "101"), (.warn, "50,,80"), (.plan, "inherit!"), (.zone, "inherit "),
            (.contact, "nobody"), (.messageSize, "unlimited"), (.recipientsPerMessage, "unlimited"),
            (.shadowDaily, "unlimited"), (.window, "week"), (.policy, "drop"),
        ] as [(TenantSetting, String)] {
            #expect(throws: ArgumentProblem.self, "\(setting) \(text)") {
                _ = try ArgumentText.value(of: setting, text)
            }
        }
    }
}
