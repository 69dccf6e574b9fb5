package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
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

// inPhases reports whether the task has sinks in two phases.
func (t *task) inPhases() bool { return t.phases != nil }

// openPhases is called when the operators of the task are built.
func (w *Worker) openPhases(t *task) {
	for i := range t.env.Drains {
		if t.env.Drains[i].Phases != nil {
			t.phases, w.inPhases = &phases{results: make(chan commitResult, 1)}, true
		}
	}
}

// sinkEpoch returns the epoch of the task for sinks.
func (t *task) sinkEpoch() string {
	switch {
	case t.inPhases():
		return t.phases.epoch
	case t.epoch != changelog.Epoch{}:
		return t.epoch.String()
	default:
		return t.assigned.String()
	}
}

// chooseSinkEpoch reads the tokens of a restored task, and chooses an epoch that is greater than that of all owners before.
func (t *task) chooseSinkEpoch() error {
	if !t.inPhases() {
		return nil
	}
	last := t.assigned
	own := t.assigned
	if t.epoch != (changelog.Epoch{}) {
		own = t.epoch
	}
	known := false
	note := func(e changelog.Epoch) {
		if !known || last.Before(e) {
			last, known = e, true
		}
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
		note(e)
	}
	if t.epoch == (changelog.Epoch{}) { // claims of the time when the application ran at least once
		for i := range t.stores {
			if seen := t.stores[i].seen; seen != (changelog.Epoch{}) {
				note(seen)
			}
		}
	}
	if known {
		if own = own.WithTerm(max(own.Term(), last.Term())); !last.Before(own) {
			own = own.WithTerm(last.Term() + 1)
		}
	}
	t.phases.epoch = own.String()
	return nil
}

// announceSinkEpoch makes the epoch of the task a part of the next checkpoint.
func (t *task) announceSinkEpoch() {
	if !t.inPhases() {
		return
	}
	for i := range t.env.Drains {
		if tokens := t.env.Drains[i].Tokens; tokens != nil {
			tokens.SetEpoch(t.phases.epoch)
		}
	}
}

// prepared reports whether a checkpoint that has not committed has prepared work.
func (t *task) prepared() bool {
	if !t.inPhases() {
		return false
	}
	for i := range t.env.Drains {
		if tokens := t.env.Drains[i].Tokens; tokens != nil && tokens.Prepared() {
			return true
		}
	}
	return false
}

// committedTokens reports whether there are tokens for the next checkpoint to remove.
func (t *task) committedTokens() bool {
	if !t.inPhases() {
		return false
	}
	for i := range t.env.Drains {
		if tokens := t.env.Drains[i].Tokens; tokens != nil && tokens.Done() {
			return true
		}
	}
	return false
}

// Visible reports whether the sinks of all tasks have committed everything that checkpoints have prepared.
func (w *Worker) Visible() bool {
	if !w.inPhases {
		return true
	}
	for _, t := range w.tasks {
		for i := range t.env.Drains {
			if tokens := t.env.Drains[i].Tokens; tokens != nil && len(tokens.Waiting()) > 0 {
				return false
			}
		}
	}
	return true
}

// recoverSinks lets the sinks of tasks remove work that does not count, before the first record.
func (w *Worker) recoverSinks(ctx context.Context, tasks []*task) error {
	var left []*task
	for _, t := range tasks {
		if t.inPhases() && !t.phases.recovered {
			left = append(left, t)
		}
	}
	errs := w.concurrently(left, func(t *task) error { return t.recoverSinks(ctx) })
	for i, t := range left {
		if errs[i] != nil {
			return fmt.Errorf("task %s: %w", t.name, errs[i])
		}
	}
	return nil
}

func (t *task) recoverSinks(ctx context.Context) error {
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		if d.Phases == nil {
			continue
		}
		var tokens [][]byte
		for _, token := range d.Tokens.Waiting() {
			tokens = append(tokens, token.Token)
		}
		err := t.callSink(d.Node, "recover", func() error { return d.Phases.Recover(ctx, t.phases.epoch, tokens) })
		if err != nil {
			return err
		}
	}
	t.phases.recovered = true
	return nil
}

// commitPrepared begins to commit the tokens of tasks, and takes the results of commits that have ended.
func (w *Worker) commitPrepared(ctx context.Context) error {
	if !w.inPhases {
		return nil
	}
	for _, t := range w.sortedTasks() {
		if !t.inPhases() || !t.phases.recovered {
			continue
		}
		select {
		case result := <-t.phases.results:
			if err := w.takeCommitResult(t, result); err != nil {
				return err
			}
		default:
		}
		if w.config.CommitLater != nil && w.config.CommitLater() {
			continue
		}
		if err := w.startCommits(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// waitingTokens are the tokens of a sink that are to be committed, in order.
type waitingTokens struct {
	drain  *operator.TaskDrain
	tokens []state.Token
}

// startCommits begins to commit the tokens of a task, unless that goes on already or the target has asked for time.
func (w *Worker) startCommits(ctx context.Context, t *task) error {
	p := t.phases
	if p.running || w.config.Clock.Now().Before(p.until) {
		return nil
	}
	var work []waitingTokens
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		if d.Phases == nil {
			continue
		}
		if tokens := d.Tokens.Waiting(); len(tokens) > 0 {
			work = append(work, waitingTokens{d, tokens})
		}
	}
	if len(work) == 0 {
		return nil
	}
	if w.config.Sequential {
		return w.takeCommitResult(t, t.commitTokens(ctx, work))
	}
	bounded, cancel := context.WithCancel(t.env.Context)
	p.running, p.cancel = true, cancel
	slots := w.commitSlots
	go func() {
		slots <- struct{}{}
		defer func() { <-slots }()
		p.results <- t.commitTokens(bounded, work)
	}()
	return nil
}

// commitTokens commits tokens, those of a sink in order until one fails. It runs beside the worker.
func (t *task) commitTokens(ctx context.Context, work []waitingTokens) (result commitResult) {
	var failed []error
	for _, sink := range work {
		for _, token := range sink.tokens {
			err := t.callSink(sink.drain.Node, "commit", func() error { return sink.drain.Phases.Commit(ctx, token.Token) })
			if err != nil {
				failed = append(failed, err)
				break
			}
			result.done = append(result.done, doneToken{sink.drain.Tokens, token.Key})
		}
	}
	for _, err := range failed {
		if !gate.IsPressure(err) {
			result.err = err
			return result
		}
	}
	if len(failed) > 0 {
		result.err = failed[0]
	}
	return result
}

// takeCommitResult notes which tokens are committed. The next checkpoint removes them.
func (w *Worker) takeCommitResult(t *task, result commitResult) error {
	p := t.phases
	if p.cancel != nil {
		p.cancel()
	}
	p.running, p.cancel, p.until, p.pressure = false, nil, time.Time{}, nil
	for _, d := range result.done {
		d.tokens.Remove(d.key)
		t.changed = true
	}
	if wait, ok := gate.Pressure(result.err); ok {
		p.until, p.pressure = w.config.Clock.Now().Add(wait), result.err
		t.env.Logger.Warn("a sink cannot make a checkpoint visible now; it is tried again", "wait", wait, "error", result.err)
		return nil
	}
	if result.err != nil {
		return fmt.Errorf("task %s: %w", t.name, result.err)
	}
	return nil
}

// awaitCommits waits until the work of the checkpoints before is visible. If a target has asked for time the error is one that
// gate.IsPressure.
func (w *Worker) awaitCommits(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		if !t.inPhases() || !t.phases.recovered {
			continue
		}
		if err := w.awaitCommitsOf(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) awaitCommitsOf(ctx context.Context, t *task) error {
	p := t.phases
	for {
		if err := w.startCommits(ctx, t); err != nil {
			return err
		}
		switch {
		case p.running:
		case p.pressure != nil:
			return fmt.Errorf("task %s: %w", t.name, p.pressure)
		default:
			return nil
		}
		select {
		case result := <-p.results:
			if err := w.takeCommitResult(t, result); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// finishCommits makes everything visible that tasks have prepared, before they are closed in order, and then a checkpoint that
// removes the tokens. Tokens that cannot be committed in time stay in the state: the next owner commits them.
func (w *Worker) finishCommits(ctx context.Context, tasks []*task) error {
	if !w.inPhases {
		return nil
	}
	removed := false
	for _, t := range tasks {
		if !t.inPhases() || !t.phases.recovered {
			continue
		}
		switch err := w.awaitCommitsOf(ctx, t); {
		case err == nil:
		case gate.IsPressure(err), ctx.Err() != nil:
			t.env.Logger.Warn("the last checkpoint of the task is not visible in a sink yet; its next owner sees to that", "error", err)
		default:
			return err
		}
		removed = removed || t.changed
	}
	if !removed || ctx.Err() != nil {
		return nil
	}
	return w.Checkpoint(ctx)
}

// finishLastCommits is finishCommits for all tasks of a worker that is closed. It takes no longer than RevokeTimeout. whole is
// false if a checkpoint was given up in the middle.
func (w *Worker) finishLastCommits(ctx context.Context) (whole bool, err error) {
	bounded, cancel := w.hurry.Bound(ctx)
	defer cancel()
	err = w.finishCommits(bounded, w.sortedTasks())
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		w.config.Logger.Warn("the tokens of committed work stay in the state, as there was no time for another checkpoint", "error", err)
		return false, nil
	}
	return err == nil, err
}

// stopCommits ends the commits of a task that is closed, and waits for the goroutine.
func (t *task) stopCommits() {
	if !t.inPhases() || !t.phases.running {
		return
	}
	p := t.phases
	p.cancel()
	<-p.results // tokens that are committed by now are committed again, by the next owner
	p.running, p.cancel = false, nil
}
