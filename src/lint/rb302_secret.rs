//! RB302: a secret that everybody can read who can read the page.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB302",
    level: Some(Level::Error),
    title: "a secret in the text",
    explain: Explain {
        finds: "Private keys, tokens and keys of a known form (AWS, GitHub, GitLab, Slack, Stripe, Google and more), JSON \
                Web Tokens, passwords in URLs and arguments, and values under a name like `DB_PASSWORD` or `api_key` that \
                look random. Placeholders, variables, `***`, `changeme`, what contains `example`, and URLs of \
                `localhost` are left alone. No output of lint shows the secret: it is blotted out.",
        why: "A runbook is copied into wikis, chats and tickets. Whoever reads it once has the key, and rotating it \
              breaks the runbook in the middle of an incident.",
        bad: "\
# Queue is full

## Mitigation

```bash
curl -H 'Authorization: Bearer q7Rk2mZp0LwXv93tBn5cYd' http://queue:8080/drain
```
",
        good: "\
# Queue is full

## Mitigation

The token is in the vault, as `queue/admin`.

```bash
curl -H \"Authorization: Bearer $QUEUE_TOKEN\" http://queue:8080/drain
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for found in page.secrets() {
        report
            .at(found.span, format!("{} stands in the text", found.what))
            .help("take it as leaked and rotate it; write a variable or a placeholder here, and say where it is kept");
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    /// Put together here, so that no scanner finds them in this file.
    fn text(parts: &[&str]) -> String {
        format!("# T\n\n```bash\n{}\n```\n", parts.concat())
    }

    cases! {
        bad: [
            &text(&["export AWS_ACCESS_KEY_ID=", "AKIA", "Q7RK2MZP0LWXV93T"]) => [(4, 26)],
            &text(&["gh auth login --with-token ", "gh", "p_q7Rk2mZp0LwXv93tBn5cYdE8sHj1uA4fG6oK"]) => [(4, 28)],
            &text(&["curl -d x https://hooks.slack.com/services/", "T0AB1CD2E/B0FG3HI4J/q7Rk2mZp0LwXv93tBn5cYdE8"]) => [(4, 44)],
            &text(&["psql postgres://shop:", "q7Rk2mZp@db.shop.io/shop"]) => [(4, 22)],
            &text(&["mysql -u root -p", "q7Rk2mZp shop"]) => [(4, 17)],
            &text(&["curl -u admin:", "q7Rk2mZp http://x"]) => [(4, 15)],
            &text(&["redis-cli -a ", "q7Rk2mZp ping"]) => [(4, 14)],
            &text(&["tool --api-key ", "q7Rk2mZp0LwX"]) => [(4, 16)],
            &text(&["x='", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.q7Rk2mZp0LwXv93tBn5cYdE8", "'"]) => [(4, 4)],
            "# T\n\nThe password: `see vault`, DB_PASSWORD=q7Rk2mZp.\n" => [(3, 40)],
            "# T\n\n```yaml\napi_key: \"q7Rk2mZp0LwX\"\n```\n" => [(4, 11)],
            "# T\n\n```sql\nALTER ROLE shop PASSWORD 'q7Rk2mZp';\n```\n" => [(4, 27)],
            &format!("# T\n\n```\n-----BEGIN RSA {}\n{}\n-----END RSA PRIVATE KEY-----\n```\n", "PRIVATE KEY-----", "q7Rk2mZp0L".repeat(12)) => [(5, 1)],
        ],
        good: [
            &text(&["export DB_PASSWORD=<password> TOKEN=$TOKEN API_KEY=${KEY} SECRET=changeme"]),
            &text(&["psql postgres://shop:q7Rk2mZp@localhost/shop postgres://user:password@db/x postgres://u:$PASS@db/x"]),
            &text(&["mysql -u root -p shop", "\ncurl -u admin:admin http://x"]),
            &text(&["kubectl get secret shop-db01-credentials-v2 -o jsonpath='{.data.password}'"]),
            &text(&["aws secretsmanager get-secret-value --secret-id prod/shop/db-2024a1b2"]),
            &text(&["AWS_ACCESS_KEY_ID=AKIAIOSFODNN7", "EXAMPLE"]),
            &text(&["curl -H \"Authorization: Bearer $(cat token)\" -H 'Authorization: Bearer your-token-a1b2c3d4e5'"]),
            &text(&["gpg --keyserver keys.openpgp.org --recv-key 3AA5C34371567BD2", "\nKEY=0x3AA5C34371567BD2 GPG_KEY=B42F6819007F00F88E364FD4036A9C25BF357DD4"]),
            &text(&["aws kms sign --key-id 1a2b3c4d5e6f7a8b9c0d1e2f --secret shop-db-x7kd2p9q1"]),
            "# T\n\n```yaml\nsecret: billing-db-8f3k2x\nsecretId: q7Rk2mZp0LwX\n```\n",
            "# T\n\nSecrets match `ghp_[A-Za-z0-9]{36}`; keys begin with `sk_live_...`.\n",
            "# T\n\n```yaml\npassword_file: /run/secrets/db1pass2\ntoken_ttl: 3600s1x\n```\n",
            "# T\n\n```\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n```\n",
        ],
    }

    #[test]
    fn no_finding_of_any_rule_shows_a_secret() {
        let secret = "q7Rk2mZp0LwX";
        let page = format!("# T\n\n## Fix\n\n```bash\nrm -rf /var/lib/x --password={secret}; redis-cli -a {secret} FLUSHALL\n```\n");
        let found = crate::lint::cases::lint(&page);
        assert!(found.all.iter().filter(|finding| finding.code == Some("RB301")).count() == 2);
        assert!(!format!("{found:?}").contains(secret), "{found:?}");
        assert!(!crate::source::render(&found, false).contains(secret));
    }
}
