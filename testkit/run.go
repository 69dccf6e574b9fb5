package testkit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/weirstreams/weir/stream"
)

// Run starts a topology as New does, calls f with it, and stops it. It needs no test: examples and small programs
// call it. It returns the error that would have failed a test. The Driver of f ends with f.
func Run(topology *stream.Topology, config Config, f func(*Driver)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tb := &runTB{ctx: ctx}
	tb.do(func() { f(New(tb, topology, config)) })
	for len(tb.cleanups) > 0 {
		last := tb.cleanups[len(tb.cleanups)-1]
		tb.cleanups = tb.cleanups[:len(tb.cleanups)-1]
		tb.do(last)
	}
	return errors.Join(tb.errs...)
}

// runTB is as much of a testing.TB as a Driver uses.
type runTB struct {
	testing.TB // nil: the interface cannot be implemented outside of its package
	ctx        context.Context
	errs       []error
	cleanups   []func()
}

// do calls f and waits for it. f has a goroutine of its own for the reason that a test has one: FailNow ends it.
func (tb *runTB) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (tb *runTB) Helper()                  {}
func (tb *runTB) Log(...any)               {}
func (tb *runTB) Logf(string, ...any)      {}
func (tb *runTB) Context() context.Context { return tb.ctx }
func (tb *runTB) Cleanup(f func())         { tb.cleanups = append(tb.cleanups, f) }
func (tb *runTB) FailNow()                 { runtime.Goexit() }

func (tb *runTB) Errorf(format string, args ...any) {
	tb.errs = append(tb.errs, fmt.Errorf(format, args...))
}

func (tb *runTB) Fatalf(format string, args ...any) {
	tb.Errorf(format, args...)
	tb.FailNow()
}

func (tb *runTB) Fatal(args ...any) {
	err, ok := args[0].(error)
	if len(args) > 1 || !ok {
		err = errors.New(fmt.Sprint(args...))
	}
	tb.errs = append(tb.errs, err)
	tb.FailNow()
}
