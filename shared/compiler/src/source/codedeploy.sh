(
set -eo pipefail
say() { echo "CodeDeploy: $*"; }
told() { aws deploy get-deployment --deployment-id "$1" --query "deploymentInfo.$2" --output text; }
# A signal ends a wait at once, and a sleep only when it is over.
pause() { sleep "${GATEWRIGHT_PAUSE_SECONDS:-15}" & wait "$!"; }
stop() {
  say "stopping $1, which brings back what ran before" >&2
  aws deploy stop-deployment --deployment-id "$1" --auto-rollback-enabled --query status --output text >&2 \
    || say "$1 could not be stopped: look after it in CodeDeploy" >&2
}
leave() {
  code=$?
  trap '' INT TERM
  trap - EXIT
  [ -z "$running" ] || moved "$running" || stop "$running"
  exit "$code"
}
# Whether the new tasks have all of the traffic. What is left then is the wait until
# the old ones end, an hour by default, through which the deployment is in progress.
moved() {
  target=$(aws deploy list-deployment-targets --deployment-id "$1" --query 'targetIds[0]' --output text 2>/dev/null) || return 1
  [ "${target:-None}" != None ] || return 1
  stands=$(aws deploy get-deployment-target --deployment-id "$1" --target-id "$target" \
    --query deploymentTarget.ecsTarget.status --output text 2>/dev/null) || return 1
  [ "$stands" = Succeeded ]
}
# Waits until a deployment has ended, or with a second word has moved the traffic,
# however long CodeDeploy takes; its own waiter gives up after half an hour.
end_of() {
  shown='' failures=0 turns=0
  while :; do
    if status=$(told "$1" status); then
      failures=0
      if [ "$status" != "$shown" ] || [ $((turns % 20)) -eq 0 ]; then
        say "$1 is $status"
        shown=$status
      fi
      case "$status" in Succeeded | Failed | Stopped) return 0 ;; esac
      if [ -n "${2-}" ] && moved "$1"; then
        say "$1 has moved the traffic; CodeDeploy ends the old tasks when their time is over"
        status=Succeeded
        return 0
      fi
    else
      failures=$((failures + 1))
      [ "$failures" -lt 5 ] || { say "nobody says how $1 stands" >&2; exit 1; }
    fi
    [ -z "$ends" ] || [ "$(date +%s)" -lt "$ends" ] || { say "$1 is still ${shown:-unknown}, and the stage's time is nearly over" >&2; exit 1; }
    turns=$((turns + 1))
    pause
  done
}
# What CodeDeploy brings back by itself has to be there before anybody goes on.
back_from() {
  for _ in 1 2 3; do
    rollback=$(told "$1" rollbackInfo.rollbackDeploymentId) || rollback=None
    [ "$rollback" = None ] || break
    pause
  done
  if [ "$rollback" = None ]; then
    say "$1 was not rolled back"
  else
    say "$rollback brings back what ran before $1"
    end_of "$rollback"
  fi
}
running=''
: "${CODEBUILD_START_TIME:=$(date +%s)000}"
# Somebody who does this by hand has the time that it takes.
ends=${gatewright_seconds:+$((CODEBUILD_START_TIME / 1000 + gatewright_seconds - 60))}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
revision=$(python3 - "$appspec" <<'GATEWRIGHT'
import hashlib, json, os, string, sys

class Set(dict):
    def __missing__(self, name):
        sys.exit(f"CodeDeploy: {path} names ${name}, which is not exported or empty; write $$ for a dollar sign")

path = sys.argv[1]
try:
    with open(path, encoding="utf-8") as file:
        template = string.Template(file.read())
    content = template.substitute(Set((name, value) for name, value in os.environ.items() if value))
except (OSError, UnicodeDecodeError, ValueError) as error:
    sys.exit(f"CodeDeploy: {path}: {error}")
sha256 = hashlib.sha256(content.encode()).hexdigest()
print(json.dumps({"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": sha256}}))
GATEWRIGHT
)
# The release holds the environment: whatever is under way was left behind.
earlier=$(aws deploy list-deployments --application-name "$application" --deployment-group-name "$group" \
  --include-only-statuses Created Queued InProgress Baking Ready --query 'deployments[0]' --output text)
if [ "$earlier" != None ]; then
  say "$earlier is still under way, left behind by a release that does not hold $group any more"
  if moved "$earlier"; then
    say "its old tasks need not wait for their end"
    aws deploy continue-deployment --deployment-id "$earlier" --deployment-wait-type TERMINATION_WAIT \
      || say "they wait all the same" >&2
    end_of "$earlier"
  elif [ "$(told "$earlier" creator)" = codeDeployRollback ]; then
    end_of "$earlier"
  else
    stop "$earlier"
    end_of "$earlier"
    back_from "$earlier"
  fi
fi
running=$(aws deploy create-deployment --application-name "$application" --deployment-group-name "$group" \
  ${config:+--deployment-config-name "$config"} \
  --auto-rollback-configuration '{"enabled":true,"events":["DEPLOYMENT_FAILURE","DEPLOYMENT_STOP_ON_ALARM","DEPLOYMENT_STOP_ON_REQUEST"]}' \
  --description "Gatewright ${GATEWRIGHT_RELEASE:-}" --revision "$revision" --query deploymentId --output text)
say "$running deploys $appspec to $application/$group${config:+ as $config says}"
end_of "$running" moved
deployment=$running running=''
[ "$status" != Succeeded ] || exit 0
say "$deployment has not succeeded:" >&2
aws deploy get-deployment --deployment-id "$deployment" --query deploymentInfo.errorInformation --output json >&2 || true
back_from "$deployment"
exit 1
)
