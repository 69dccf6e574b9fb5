package sim

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"
)

// errCrash is the panic that ends the goroutines of a process that was killed.
var errCrash = errors.New("the process was killed")

// routine stands for a goroutine of a process. It runs when it is resumed, until it suspends itself.
type routine struct {
	process *process
	name    string
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool

	done bool
	// worked says whether it has found anything to do since it was resumed at the top of its loop.
	worked bool
	// wakeAt is when it goes on at the earliest; blocked says whether it waits for something else.
	wakeAt  time.Time
	blocked func() bool
}

// spawn makes a routine that runs f. It does not run before it is resumed.
func (p *process) spawn(name string, f func(*routine)) *routine {
	r := &routine{process: p, name: fmt.Sprintf("%s %s", p.name, name)}
	r.next, r.stop = iter.Pull(func(yield func(struct{}) bool) {
		r.yield = yield
		defer func() {
			r.done = true
			x := recover()
			if err, ok := x.(error); x == nil || ok && errors.Is(err, errCrash) {
				return
			}
			p.world.failf("%s: panic: %v\n%s", r.name, x, debug.Stack())
			p.dead = true
		}()
		f(r)
	})
	p.routines = append(p.routines, r)
	return r
}

// suspend lets others run. It does not return if the process is killed meanwhile.
func (r *routine) suspend() {
	if !r.yield(struct{}{}) || r.process.dead {
		panic(errCrash)
	}
}

// wait suspends the routine for as long as blocked says.
func (r *routine) wait(blocked func() bool) {
	for blocked() {
		r.blocked = blocked
		r.suspend()
	}
	r.blocked = nil
}

// runnable reports whether the routine has anything to go on with.
func (r *routine) runnable(now time.Time) bool {
	return !r.done && !now.Before(r.wakeAt) && !now.Before(r.process.frozenUntil) && (r.blocked == nil || !r.blocked())
}

// resume runs a routine until it suspends itself or ends.
func (w *world) resume(r *routine) {
	w.current = r
	r.worked = false
	r.next()
	w.current = nil
	if r.process.dead {
		w.bury(r.process)
	}
}
