// Package errorpolicy chooses the actions of a weir.ErrorPolicy, and finds its mistakes.
package errorpolicy

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
)

// Policy is a weir.ErrorPolicy in use. Any goroutine may call its methods.
type Policy struct {
	policy weir.ErrorPolicy
	// clusterName returns the name on the cluster of a topic that a rule names.
	clusterName func(topic string) string
	// OnDecision, if it is not nil, is told of each decision.
	OnDecision func(*weir.ProcessingError, weir.ErrorAction)
}

// New returns a policy that has no mistakes. clusterName returns the name on the cluster of a topic that a rule names.
func New(policy weir.ErrorPolicy, clusterName func(topic string) string) *Policy {
	return &Policy{policy: policy, clusterName: clusterName}
}

// Decision is the action for a failed record.
type Decision struct {
	Action weir.ErrorAction
	// Wait is the time before the record is tried again, if Action is TryAgain.
	Wait time.Duration
}

// Waits of records that a function wants to be tried again without a Retry.
const (
	defaultFirstWait = 100 * time.Millisecond
	defaultMaxWait   = 10 * time.Second
)

// Decide returns the action for a record that could not be processed. If the record has caused a refusal of the cluster, Retry does not
// count.
func (p *Policy) Decide(f *weir.FailedRecord, refused bool) Decision {
	decision := p.decide(f, refused)
	if p.OnDecision != nil {
		p.OnDecision(f.ProcessingError, decision.Action)
	}
	return decision
}

func (p *Policy) decide(f *weir.FailedRecord, refused bool) Decision {
	rule := p.rule(f.ProcessingError)
	var retry weir.Retry
	if rule.Retry != nil {
		retry = *rule.Retry
		if _, again := retry.Next(f.Attempt, f.Err); again && !refused {
			return Decision{weir.TryAgain, waitAfter(retry, f.Attempt)}
		}
	}
	action := rule.Action
	if rule.Decide != nil {
		action = rule.Decide(f)
	}
	if action == weir.TryAgain {
		return Decision{action, waitAfter(retry, f.Attempt)}
	}
	return Decision{Action: action}
}

// waitAfter returns the wait after a number of failures. It has no random part: only one worker waits, and a simulation has to give the
// same again.
func waitAfter(r weir.Retry, failures int) time.Duration {
	policy := backoff.Policy{Base: cmp.Or(max(0, r.FirstWait), defaultFirstWait), Max: cmp.Or(max(0, r.MaxWait), defaultMaxWait)}
	return policy.Wait(failures)
}

// rule returns the first rule that matches, or one of the policy's own fields.
func (p *Policy) rule(err *weir.ProcessingError) *weir.ErrorRule {
	for i := range p.policy.Rules {
		if r := &p.policy.Rules[i]; p.matches(r, err) {
			return r
		}
	}
	return &weir.ErrorRule{Action: p.policy.Action, Decide: p.policy.Decide, Retry: p.policy.Retry}
}

func (p *Policy) matches(r *weir.ErrorRule, err *weir.ProcessingError) bool {
	return (len(r.Stages) == 0 || slices.Contains(r.Stages, err.Stage)) &&
		(len(r.Topics) == 0 || slices.ContainsFunc(r.Topics, func(topic string) bool { return topic == err.Topic || p.clusterName(topic) == err.Topic })) &&
		(len(r.Operators) == 0 || slices.Contains(r.Operators, err.Node)) &&
		(r.Match == nil || r.Match(err.Err))
}

// Dropped returns the action for records that are left out without an error for a reason.
func (p *Policy) Dropped(reason weir.DropReason) weir.ErrorAction {
	if action, ok := p.policy.Dropped[reason]; ok {
		return action
	}
	return weir.Skip
}

// WatchesDrops reports whether some reason to leave records out has another action than Skip.
func (p *Policy) WatchesDrops() bool {
	for _, action := range p.policy.Dropped {
		if action != weir.Skip {
			return true
		}
	}
	return false
}

// Letters returns the options of the topic of dead letters, and whether there is one.
func (p *Policy) Letters() (weir.DeadLetterOptions, bool) {
	return p.policy.DeadLetters, WritesLetters(p.policy)
}

// WritesLetters reports whether a policy needs the topic of dead letters.
func WritesLetters(policy weir.ErrorPolicy) bool {
	if policy.Action == weir.DeadLetter || policy.DeadLetters.Topic != "" {
		return true
	}
	for i := range policy.Rules {
		if policy.Rules[i].Action == weir.DeadLetter {
			return true
		}
	}
	for _, action := range policy.Dropped {
		if action == weir.DeadLetter {
			return true
		}
	}
	return false
}

// Topic returns the name of the topic of dead letters of a group, without the prefix.
func Topic(policy weir.ErrorPolicy, group string) string {
	return cmp.Or(policy.DeadLetters.Topic, "deadletters__"+group)
}
