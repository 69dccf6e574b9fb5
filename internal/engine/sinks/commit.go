package sinks

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
)

// maxCalls is how many tasks of a worker flush their sinks, or commit prepared work, at once.
const maxCalls = 32

// Committer flushes the sinks of a worker's tasks and commits the work that checkpoints have prepared. It owns the goroutines of commits:
// one for each task, beside the worker; Task.Close waits for them. Only the goroutine of the worker calls its methods.
//
// It promises that the work of a sink is committed in the order of the checkpoints, and that an error of a commit comes out of Commit or
// Await, unless the target has asked for time: then it is tried again.
type Committer struct {
	config Config
	// checkpointID is that of the last checkpoint that has flushed sinks, made or not.
	checkpointID int64
	// slots bounds how many tasks commit at once.
	slots chan struct{}
}

// Config configures a Committer. Clock must be set.
type Config struct {
	Clock clock.Clock
	// Sequential keeps all work on the goroutine of the worker. Later, if it is not nil, is then asked whether prepared work is to be
	// committed by a later step.
	Sequential bool
	Later      func() bool
	// OnFlush is told of each flush of a sink of a task, by the name of the sink, on several goroutines. It may be nil.
	OnFlush func(sink string, took time.Duration, err error)
}

// NewCommitter returns a committer of the sinks of a worker's tasks.
func NewCommitter(config Config) *Committer {
	return &Committer{config: config, slots: make(chan struct{}, maxCalls)}
}

// Commit begins to commit the tokens of tasks, and takes the results of commits that have ended.
func (c *Committer) Commit(ctx context.Context, t *Task) error {
	if !t.Recovered() {
		return nil
	}
	select {
	case result := <-t.phases.results:
		if err := c.take(t, result); err != nil {
			return err
		}
	default:
	}
	if c.config.Later != nil && c.config.Later() {
		return nil
	}
	return c.start(ctx, t)
}

// waitingTokens are the tokens of a sink that are to be committed, in order.
type waitingTokens struct {
	drain  *operator.TaskDrain
	tokens []state.Token
}

// start begins to commit the tokens of a task, unless that goes on already or the target has asked for time.
func (c *Committer) start(ctx context.Context, t *Task) error {
	p := t.phases
	if p.running || c.config.Clock.Now().Before(p.until) {
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
	if c.config.Sequential {
		return c.take(t, t.commitTokens(ctx, work))
	}
	bounded, cancel := context.WithCancel(t.env.Context)
	p.running, p.cancel = true, cancel
	go func() {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		p.results <- t.commitTokens(bounded, work)
	}()
	return nil
}

// commitTokens commits tokens, those of a sink in order until one fails. It runs beside the worker.
func (t *Task) commitTokens(ctx context.Context, work []waitingTokens) (result commitResult) {
	var failed []error
	for _, sink := range work {
		for _, token := range sink.tokens {
			err := t.call(sink.drain.Node, "commit", func() error { return sink.drain.Phases.Commit(ctx, token.Token) })
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

// take notes which tokens are committed. The next checkpoint removes them.
func (c *Committer) take(t *Task, result commitResult) error {
	p := t.phases
	if p.cancel != nil {
		p.cancel()
	}
	p.running, p.cancel, p.until, p.pressure = false, nil, time.Time{}, nil
	for _, d := range result.done {
		d.tokens.Remove(d.key)
		t.touch()
	}
	if wait, ok := gate.Pressure(result.err); ok {
		p.until, p.pressure = c.config.Clock.Now().Add(wait), result.err
		t.env.Logger.Warn("a sink cannot make a checkpoint visible now; it is tried again", "wait", wait, "error", result.err)
		return nil
	}
	if result.err != nil {
		return fmt.Errorf("task %s: %w", t.name, result.err)
	}
	return nil
}

// Await waits until the work of the checkpoints before is visible. If a target has asked for time the error is one that gate.IsPressure.
func (c *Committer) Await(ctx context.Context, t *Task) error {
	if !t.Recovered() {
		return nil
	}
	p := t.phases
	for {
		if err := c.start(ctx, t); err != nil {
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
			if err := c.take(t, result); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stopCommits ends the commits of a task that is closed, and waits for the goroutine.
func (t *Task) stopCommits() {
	if !t.InPhases() || !t.phases.running {
		return
	}
	p := t.phases
	p.cancel()
	<-p.results // tokens that are committed by now are committed again, by the next owner
	p.running, p.cancel = false, nil
}
