package sinks

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/state"
)

// Sinks in two phases. A checkpoint prepares the records of the task and puts the token of the work into a store of the task, so that the
// token has committed exactly if the checkpoint has. Then the work is committed in the target, beside the processing of
// the next records, and the checkpoint after that removes the token. The work of the next checkpoint is not prepared before.
//
// A process that opens the task finds the tokens in the restored state and commits them first: Commit may have happened, or not. The
// work without a token, of checkpoints that never were, is removed by Recover.
//
// Zombies: the epoch of an owner is a row of the store. It is committed, with the offsets where the task begins, before anything is
// prepared. The group refuses that to a process that has lost the task, so the epochs of owners are in the order of their
// ownership under both guarantees, also when the group was deleted and counts generations from 1 again. A former owner may prepare; its
// checkpoint is refused, and it commits no token of that.

// phases is the state of a task with sinks in two phases.
type phases struct {
	// epoch is that of this owner, recovered whether the sinks have removed the work of others before it.
	epoch     string
	recovered bool

	// running is set while a goroutine commits tokens. It sends its result to results and ends with cancel.
	running bool
	results chan commitResult
	cancel  context.CancelFunc
	// until is when the target can be asked again, because of an error that gate.IsPressure. It is zero if it need not wait.
	until    time.Time
	pressure error
}

// commitResult is what has become of the tokens of a task.
type commitResult struct {
	done []doneToken
	err  error
}

// doneToken is a token that is committed.
type doneToken struct {
	tokens *state.Tokens
	key    string
}

// InPhases reports whether the task has sinks in two phases.
func (t *Task) InPhases() bool { return t.phases != nil }

// Recovered reports whether the task has sinks in two phases that have removed the work of others before it.
func (t *Task) Recovered() bool { return t.phases != nil && t.phases.recovered }

// Epoch returns the epoch of the owner of the task for sinks in two phases.
func (t *Task) Epoch() string { return t.phases.epoch }

// ChooseEpoch reads the tokens of a restored task, and chooses an epoch that is greater than that of all owners before. own is the
// epoch of the task for other purposes, former are epochs of owners that its changelogs tell.
func (t *Task) ChooseEpoch(own changelog.Epoch, former []changelog.Epoch) error {
	if !t.InPhases() {
		return nil
	}
	for i := range t.env.Drains {
		tokens := t.env.Drains[i].Tokens
		if tokens == nil {
			continue
		}
		if err := tokens.Load(); err != nil {
			return err
		}
		if tokens.Epoch() == "" {
			continue
		}
		e, err := changelog.ParseEpoch(tokens.Epoch())
		if err != nil {
			return fmt.Errorf("store %q: %w", tokens.Name(), err)
		}
		former = append(former, e)
	}
	if len(former) > 0 {
		last := former[0]
		for _, e := range former {
			if last.Before(e) {
				last = e
			}
		}
		if own = own.WithTerm(max(own.Term(), last.Term())); !last.Before(own) {
			own = own.WithTerm(last.Term() + 1)
		}
	}
	t.phases.epoch = own.String()
	return nil
}

// AnnounceEpoch makes the epoch of the task a part of the next checkpoint.
func (t *Task) AnnounceEpoch() {
	if !t.InPhases() {
		return
	}
	for i := range t.env.Drains {
		if tokens := t.env.Drains[i].Tokens; tokens != nil {
			tokens.SetEpoch(t.phases.epoch)
		}
	}
}

// Prepared reports whether a checkpoint that has not committed has prepared work.
func (t *Task) Prepared() bool { return t.anyTokens((*state.Tokens).Prepared) }

// Committed reports whether there are tokens for the next checkpoint to remove.
func (t *Task) Committed() bool { return t.anyTokens((*state.Tokens).Done) }

// Visible reports whether the sinks have committed everything that checkpoints have prepared.
func (t *Task) Visible() bool {
	return !t.anyTokens(func(tokens *state.Tokens) bool { return len(tokens.Waiting()) > 0 })
}

// anyTokens reports whether a condition holds for the tokens of any sink in two phases.
func (t *Task) anyTokens(condition func(*state.Tokens) bool) bool {
	if !t.InPhases() {
		return false
	}
	for i := range t.env.Drains {
		if tokens := t.env.Drains[i].Tokens; tokens != nil && condition(tokens) {
			return true
		}
	}
	return false
}

// Recover lets the sinks of tasks remove work that does not count, before the first record.
func (c *Committer) Recover(ctx context.Context, tasks []*Task) error {
	var left []*Task
	for _, t := range tasks {
		if t.InPhases() && !t.phases.recovered {
			left = append(left, t)
		}
	}
	errs := concurrently(c, left, func(t *Task) error { return t.recover(ctx) })
	for i, t := range left {
		if errs[i] != nil {
			return fmt.Errorf("task %s: %w", t.name, errs[i])
		}
	}
	return nil
}

func (t *Task) recover(ctx context.Context) error {
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		if d.Phases == nil {
			continue
		}
		var tokens [][]byte
		for _, token := range d.Tokens.Waiting() {
			tokens = append(tokens, token.Token)
		}
		err := t.call(d.Node, "recover", func() error { return d.Phases.Recover(ctx, t.phases.epoch, tokens) })
		if err != nil {
			return err
		}
	}
	t.phases.recovered = true
	return nil
}
