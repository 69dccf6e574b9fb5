package operator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// call is a call in flight, or one that waits for its turn.
type call struct {
	context context.Context
	attempt func(ctx context.Context) error
	// done is set when err, and the result of attempt, can be read. ended is the same, guarded by the pool, and round counts how
	// often the call was begun.
	done  atomic.Bool
	ended bool
	round int
	err   error
}

// callPool makes the calls of one operator, so many at a time. Its methods are called by the task's goroutine, but for run and end.
type callPool struct {
	env     *Env
	options AsyncOptions
	// changed has an element after the end of a call that somebody may wait for.
	changed chan struct{}
	// emptied has an element after the end of the last call.
	emptied chan struct{}

	mu sync.Mutex // guards what follows
	// queue are the calls that wait for their turn, from first on.
	queue []*call
	first int
	// running counts calls that were begun and have not returned, also those that nobody looks at any more.
	running int
	// expected is the call that has to end before any result can be handed on, if they are in order.
	expected *call
	// news is set when a result can be handed on.
	news bool
}

// errDiscarded is the cause of the end of a call's context, when nobody looks at the result any more.
var errDiscarded = errors.New("the record of the call is processed again, or its task has ended")

const (
	// returnTime is how long after the end of its context a function may take to return. Then its record has failed.
	returnTime = 5 * time.Second
	// closeTime is how long the end of a task waits for calls.
	closeTime = 10 * time.Second
)

func newCallPool(env *Env, options AsyncOptions) *callPool {
	return &callPool{env: env, options: options, changed: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

// add begins a call, or lets it wait for its turn. One that has ended is made again.
func (p *callPool) add(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.err, c.ended = nil, false
	c.round++
	c.done.Store(false)
	p.queue = append(p.queue, c)
	p.begin()
}

// begin starts a goroutine if there is a call for it. It is called with the lock.
func (p *callPool) begin() {
	if p.running >= p.options.Concurrency || p.first == len(p.queue) {
		return
	}
	c := p.next()
	p.running++
	if p.env.Calls != nil {
		p.env.Calls.Start(func() {
			p.run(c)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.left()
			p.begin()
		})
		return
	}
	go p.work(c)
}

// left is called at the end of a goroutine that makes calls. It is called with the lock.
func (p *callPool) left() {
	if p.running--; p.running == 0 {
		signal(p.emptied)
	}
}

// next takes the first call out of the queue, which has one.
func (p *callPool) next() *call {
	c := p.queue[p.first]
	p.queue[p.first] = nil
	p.first++
	if p.first == len(p.queue) {
		p.queue, p.first = p.queue[:0], 0
	} else if p.first >= 1024 && p.first > len(p.queue)/2 {
		n := copy(p.queue, p.queue[p.first:])
		clear(p.queue[n:])
		p.queue, p.first = p.queue[:n], 0
	}
	return c
}

// work makes calls until there is none.
func (p *callPool) work(c *call) {
	defer func() { // also if a function ends the goroutine
		p.mu.Lock()
		defer p.mu.Unlock()
		p.left()
		p.begin() // a call that was added since
	}()
	for c != nil {
		p.run(c)
		c = p.another()
	}
}

// another takes a call out of the queue, or returns nil.
func (p *callPool) another() *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == len(p.queue) {
		return nil
	}
	return p.next()
}

// run makes a call.
func (p *callPool) run(c *call) {
	p.mu.Lock()
	round := c.round
	p.mu.Unlock()
	err := errGoexit
	defer func() { p.end(c, round, err) }()
	var panicked error
	err = p.options.Retry.Do(c.context, func(ctx context.Context) error {
		attempt, cancel := context.WithTimeout(ctx, p.options.Timeout)
		defer cancel()
		stuck := time.AfterFunc(p.options.Timeout+returnTime, func() {
			p.end(c, round, fmt.Errorf("the function has not returned, %v after the end of its context, which lasted %v", returnTime, p.options.Timeout))
		})
		defer stuck.Stop()
		err := protect(func() error { return c.attempt(attempt) })
		if _, is := errors.AsType[*Panic](err); is { // no attempt follows
			panicked = err
			return nil
		}
		if err != nil && attempt.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("no answer within %v: %w", p.options.Timeout, err)
		}
		return err
	})
	if panicked != nil {
		err = panicked
	}
}

// end notes the result of a round of a call. Only the first counts.
func (p *callPool) end(c *call, round int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended || c.round != round {
		return
	}
	c.ended, c.err = true, err
	c.done.Store(true)
	if !p.options.Unordered && c != p.expected {
		return
	}
	signal(p.changed)
	if !p.news {
		p.news = true
		if p.env.Wake != nil {
			p.env.Wake()
		}
	}
}

// expect notes which call has to end next if the results are in order.
func (p *callPool) expect(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = c
	if c.ended && !p.options.Unordered {
		p.news = true
		signal(p.changed)
	}
}

// look notes that the results are being looked at.
func (p *callPool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = false
}

// arrived reports whether a result can be handed on.
func (p *callPool) arrived() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.news
}

// await waits for a result that can be handed on, or for the end of the step.
func (p *callPool) await() error {
	ctx := p.env.StepContext()
	if p.env.Calls != nil {
		return Fatal(p.env.Calls.Wait(ctx))
	}
	select {
	case <-p.changed:
		return nil
	case <-ctx.Done():
		return Fatal(context.Cause(ctx))
	}
}

// drop forgets the calls that wait for their turn, and the results of the others.
func (p *callPool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.queue)
	p.queue, p.first, p.expected, p.news = p.queue[:0], 0, nil, false
}

// close waits until all calls have returned, if they do so in time.
func (p *callPool) close() {
	if p.env.Calls != nil {
		return
	}
	timer := time.NewTimer(closeTime)
	defer timer.Stop()
	for {
		p.mu.Lock()
		running := p.running
		p.mu.Unlock()
		if running == 0 {
			return
		}
		select {
		case <-p.emptied:
		case <-timer.C:
			p.env.Logger.Warn("functions of MapAsync have not returned although their contexts have ended; their goroutines are left behind",
				"functions", running, "waited", closeTime)
			return
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Panic is the error of a function that has panicked, on another goroutine than that of its task or for a record that was held.
type Panic struct {
	// Err is the value of the panic.
	Err error
	// Stack is the stack of the goroutine.
	Stack []byte
}

// Error shows the value.
func (p *Panic) Error() string { return "panic: " + p.Err.Error() }

// Unwrap returns Err.
func (p *Panic) Unwrap() error { return p.Err }

// errGoexit is the error of a function that has called runtime.Goexit.
var errGoexit = errors.New("the function has ended its goroutine")

// protect calls f, and makes an error of a panic.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			value, ok := p.(error)
			if !ok {
				value = fmt.Errorf("%v", p)
			}
			err = &Panic{value, debug.Stack()}
		}
	}()
	return f()
}
