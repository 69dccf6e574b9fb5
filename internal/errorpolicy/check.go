package errorpolicy

import (
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/topicname"
)

var (
	stages = []weir.Stage{
		weir.StageDecode, weir.StageProcess, weir.StageLookup, weir.StageEncode, weir.StageProduce, weir.StageSink, weir.StageGlobalTable,
	}
	reasons = []weir.DropReason{weir.DropNullKey, weir.DropLate, weir.DropFuture, weir.DropIgnored}
)

// Check calls problem for each mistake in a policy. field is the name of the policy in its configuration.
func Check(field string, policy weir.ErrorPolicy, problem func(format string, args ...any)) {
	own := weir.ErrorRule{Action: policy.Action, Decide: policy.Decide, Retry: policy.Retry}
	checkRule(field, &own, problem)
	for i := range policy.Rules {
		checkRule(fmt.Sprintf("%s.Rules[%d]", field, i), &policy.Rules[i], problem)
	}
	for _, reason := range reasons { // in a fixed order
		if action, ok := policy.Dropped[reason]; ok && (action < weir.Fail || action > weir.DeadLetter) {
			problem("%s.Dropped[%q] is %v: it can be Fail, Skip or DeadLetter", field, reason, action)
		}
	}
	for reason := range policy.Dropped {
		if !slices.Contains(reasons, reason) {
			problem("%s.Dropped: unknown reason %q: the reasons are %q", field, reason, reasons)
		}
	}
	letters := policy.DeadLetters
	if letters.Topic != "" {
		if err := topicname.Check(letters.Topic); err != nil {
			problem("%s.DeadLetters.Topic %q: %v", field, letters.Topic, err)
		}
	}
	if letters.Partitions < 0 {
		problem("%s.DeadLetters.Partitions is negative", field)
	}
	if letters.MaxShare < 0 || letters.MaxShare > 1 {
		problem("%s.DeadLetters.MaxShare is %v: it is a share between 0 and 1", field, letters.MaxShare)
	}
}

func checkRule(field string, r *weir.ErrorRule, problem func(format string, args ...any)) {
	switch {
	case r.Action < weir.Fail || r.Action > weir.TryAgain:
		problem("%s.Action: unknown action %d", field, r.Action)
	case r.Action == weir.TryAgain:
		problem("%s.Action is TryAgain, which would have no end: set Retry, or return it from Decide", field)
	case r.Action != weir.Fail && r.Decide != nil:
		problem("%s has an Action and a Decide function, which chooses the action in its place: remove one of them", field)
	}
	for _, stage := range r.Stages {
		if !slices.Contains(stages, stage) {
			problem("%s.Stages: unknown stage %q: the stages are %q", field, stage, stages)
		}
	}
	if r.Retry != nil && (r.Retry.FirstWait < 0 || r.Retry.MaxWait < 0) {
		problem("%s.Retry has a negative wait", field)
	}
}
