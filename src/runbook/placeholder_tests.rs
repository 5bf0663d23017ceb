//! What is a placeholder, and what only looks like one.

use super::*;
use proptest::prelude::*;

fn names(text: &str) -> Vec<String> {
    find(text).into_iter().map(|p| text[p.span.start..p.span.end].to_string()).collect()
}

#[test]
fn placeholders_in_all_their_spellings() {
    for (text, expected) in [
        ("kubectl get pod <pod-name> -n <ns>", vec!["<pod-name>", "<ns>"]),
        ("psql -c \"SELECT pg_terminate_backend(<pid>);\"", vec!["<pid>"]),
        ("NS='<value of namespace label from alert>'", vec!["<value of namespace label from alert>"]),
        ("NODE=<instance label from alert>", vec!["<instance label from alert>"]),
        ("svc/<cluster_name>-rw", vec!["<cluster_name>"]),
        ("cp <path/to/file> /tmp", vec!["<path/to/file>"]),
        ("x {{pod}} {{ pod_name }}", vec!["{{pod}}", "{{ pod_name }}"]),
        ("curl http://x/users/{user_id}/y", vec!["{user_id}"]),
        ("curl 'http://x/users/{user_id}'", vec!["{user_id}"]),
        ("redis-cli -h {instance} ping", vec!["{instance}"]),
        ("curl -H \"Authorization: YOUR_TOKEN\"", vec!["YOUR_TOKEN"]),
        ("export T=YOUR_API_KEY", vec!["YOUR_API_KEY"]),
        ("kubectl logs '<pod>' --since=<1h>", vec!["<pod>", "<1h>"]),
        ("psql <<EOF\nselect kill(<pid>);\nEOF", vec!["<pid>"]),
        ("git checkout <tag|branch>", vec!["<tag|branch>"]),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn what_only_looks_like_one() {
    for text in [
        "cat <<EOF > out\nx\nEOF",
        "psql < dump.sql > out.log",
        "psql <dump.sql >out.log",
        "cmd <in.txt 2>err",
        "cmd < /etc/file",
        "diff <(a) >(b)",
        "[ a \\< b ] && [ c \\> d ]",
        "awk '$1 < 3 && $2 > 4'",
        "psql -c 'select 1 where a<b and c>d'",
        "docker ps --format '{{.Names}}'",
        "docker ps --format '{{name}}'",
        "docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' x",
        "kubectl get po -o jsonpath='{.items[0].metadata.name}{end}'",
        "kubectl get po -o go-template='{{range}}'",
        "curl -w '%{http_code}' http://x",
        "echo ${POD} {a,b} {1..3} {}",
        "find . -exec rm {} \\;",
        "awk '{print}' f; awk '{ print $1 }'",
        "jq '{name}' f",
        "jq '.[] | {name}'",
        "git rev-parse @{upstream}",
        "python3 -c \"print(f'{total}')\"",
        "docker images | grep '<none>'",
        "grep -o '<title>.*</title>'",
        "grep -P '(?<name>x)'",
        "echo ok # then look at <pod>",
        "YOUR_POD=x",
        "echo $YOUR_POD",
        "git commit --author 'A <a@b.example>'",
        "echo a <b> <-",
        "gh api ${{ secrets.X }}",
    ] {
        let expected: &[&str] = if text == "echo a <b> <-" { &["<b>"] } else { &[] };
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn a_mask_keeps_every_byte_in_its_place() {
    let text = "a <pöd> 'b'";
    let masked = masked(text);
    assert_eq!(masked, "a xxxxxx 'b'");
    assert_eq!(masked.len(), text.len());
}

proptest! {
    #[test]
    fn any_text_can_be_searched(text in "[a-cY<>{}'\" OUR_é#\\n$]{0,60}") {
        let found = find(&text);
        let mut at = 0;
        for p in &found {
            prop_assert!(at <= p.span.start && p.span.end <= text.len());
            prop_assert!(text[p.span.start..p.span.end].contains(&p.name));
            at = p.span.end;
        }
        prop_assert_eq!(mask(&text, found.iter().map(|one| one.span)).len(), text.len());
    }
}
#[test]
fn fill_ins_in_capitals() {
    for (text, expected) in [
        (
            "kubectl exec -it svc/MAIN-CLUSTER-rw -n NAMESPACE -- psql -c \"SELECT NAME\"",
            vec!["MAIN-CLUSTER", "NAMESPACE"],
        ),
        ("kubectl get po -n NS", vec!["NS"]),
        ("kubectl get po --namespace=APP", vec!["APP"]),
        ("kubectl describe pod POD_NAME", vec!["POD_NAME"]),
        ("curl http://WEB_HOST:8080/healthz", vec!["WEB_HOST"]),
        ("curl \"http://SERVER/x\"", vec!["SERVER"]),
        ("pg_dump -h PRIMARY-HOST -U x", vec!["PRIMARY-HOST"]),
        ("ssh ops@NODE_IP uptime", vec!["NODE_IP"]),
        ("tool restart SUBSCRIPTION-NAME", vec!["SUBSCRIPTION-NAME"]),
        ("kubectl \\\n  -n NAMESPACE get po", vec!["NAMESPACE"]),
        ("aws x --role arn:aws:iam::ACCOUNT_ID:role/y", vec!["ACCOUNT_ID"]),
        ("curl http://HOST:PORT/api", vec!["HOST", "PORT"]),
        ("curl \"http://<host>:PORT\"", vec!["<host>", "PORT"]),
        (
            "psql \"host=PUBLISHER-HOST port=5432 dbname=DATABASE user=USER\"",
            vec!["PUBLISHER-HOST", "DATABASE", "USER"],
        ),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn other_words_in_capitals() {
    for text in [
        "curl -X POST -H 'X-Request-ID: 1' http://web/",
        "curl -X DELETE http://web/ID",
        "redis-cli CLUSTER INFO",
        "redis-cli -h x CLIENT ID",
        "psql -c 'SELECT ID FROM NODE'",
        "psql -c \"\nSELECT NAME\n\"",
        "psql -c \"UPDATE users SET password=NULL\"",
        "kubectl logs -l \"user=ADMIN\"",
        "export API_TOKEN=x",
        "API_TOKEN=x cmd",
        "echo $NAMESPACE ${POD_NAME} \"$HOST\"",
        "kill -TERM 1; kill -s HUP 2",
        "git reset HEAD",
        "kubectl get po -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName",
        "kubectl set env deploy/x API_TOKEN-",
        "kubectl get po | grep NAME",
        "kubectl create secret generic x --from-literal=API_TOKEN=y",
        "kubectl exec web -- printenv DB_HOST",
        "docker run -e API_TOKEN x",
        "echo -n NAMESPACE",
        "kubectl get po -o name | xargs -I POD kubectl delete POD",
        "kubectl get po -o name | xargs -r -n 1 -I{pod} kubectl delete {pod}",
        "grep -n NODE_NAME x",
        "NAMESPACE",
        "# kubectl -n NAMESPACE get po",
        "gh secret set API_TOKEN",
        "cat x <<EOF\n-n NAMESPACE\nEOF",
        "journalctl --grep ERROR",
        "curl http://web:8080/orders:COUNT",
        "host=PROD; user=ADMIN restart",
        "psql \"host=$HOST dbname=shop\"",
    ] {
        assert_eq!(names(text), Vec::<String>::new(), "{text}");
    }
}

fn named(text: &str) -> Vec<(String, String)> {
    find(text).into_iter().map(|p| (text[p.span.start..p.span.end].to_string(), p.name)).collect()
}

#[test]
fn fill_ins_without_marks() {
    for (text, spelling, name) in [
        ("export TOKEN=\"your-token\"", "your-token", "token"),
        ("make train DATA=data/your-set.csv", "your-set", "set"),
        ("psql -c 'ALTER SUBSCRIPTION your_subscription ENABLE'", "your_subscription", "subscription"),
        ("git clone git@github.com:your-org/app", "your-org", "org"),
        ("cp /backup/app.YYYYMMDD_HHMMSS.db /data", "YYYYMMDD_HHMMSS", "YYYYMMDD_HHMMSS"),
        ("restore --to YYYY-MM-DDTHH:MM:SSZ", "YYYY-MM-DDTHH:MM:SSZ", "YYYY-MM-DDTHH:MM:SSZ"),
        ("URL=postgresql://...new-endpoint...", "...new-endpoint...", "new-endpoint"),
        ("aws x --secret-string \"...\"", "...", "secret-string"),
        ("aws x --secret-string ... --y", "...", "secret-string"),
        ("export API_KEY='…'", "…", "API_KEY"),
        ("kubectl logs -n kube-system kube-proxy-b9g23", "kube-proxy-b9g23", "pod"),
        ("kubectl delete pod web-7d4b9c6f5d-xzkqp", "web-7d4b9c6f5d-xzkqp", "pod"),
        ("docker logs \\{container\\}", "\\{container\\}", "container"),
        ("curl http://web/debates/\\{debate_id\\}/x", "\\{debate_id\\}", "debate_id"),
    ] {
        assert_eq!(named(text), [(spelling.to_string(), name.to_string())], "{text}");
    }
}

#[test]
fn words_that_are_none() {
    for text in [
        "go test ./...",
        "git log a...b",
        "echo ... # your-token",
        "echo \"wait...\"",
        "ls ...",
        "grep '...' x",
        "X=${Y:-your_default}",
        "your_name=x",
        "echo yours-truly at-your-service",
        "psql -c \"select to_char(now(), 'YYYY-MM-DD')\"",
        "x --date-format YYYY-MM-DD",
        "kubectl logs deploy/web",
        "kubectl logs web-backend",
        "kubectl get svc x-b9g23",
        "docker logs web-b9g23",
        "curl -w '%\\{http_code\\}' http://x",
        "echo $\\{POD\\} \"\\{pod\\}\"",
        "find . -exec rm \\{\\} \\;",
    ] {
        assert_eq!(named(text), [], "{text}");
    }
}

#[test]
fn hosts_and_passwords_that_are_filled_in() {
    assert_eq!(names("psql postgres://app:password@host:5432/shop"), ["password", "host"]);
    assert_eq!(names("export U=\"postgres://app:secret@new_primary:5432/shop\""), ["secret", "new_primary"]);
    assert_eq!(names("pg_basebackup -h primary_ip -U x"), ["primary_ip"]);
    assert_eq!(names("psql \"host=replica_ip dbname=x\""), ["replica_ip"]);
}

#[test]
fn hosts_that_are_hosts() {
    for text in [
        "psql postgres://app:hunter2@db:5432/shop",
        "curl http://web_app:8080/",
        "psql -h db_primary",
        "psql -h host.example.com",
        "psql postgres://app:$PASSWORD@db/shop",
        "curl http://web/ # @new_primary",
        "du -h targets",
        "echo password@host",
    ] {
        assert_eq!(names(text), Vec::<String>::new(), "{text}");
    }
}
