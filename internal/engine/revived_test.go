package engine_test

import (
	"errors"

	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// revived is a process that is started anew whenever a call has ended it.
type revived struct {
	*cluster
	disk    memoryDisk
	lost    bool // the disk does not come back
	process *process
}

// settle runs the process until it has nothing to do.
func (x *revived) settle() {
	x.t.Helper()
	for range 1000 {
		var err error
		if x.process == nil {
			if x.lost {
				x.disk.lose()
			}
			x.process, err = x.start(x.disk, "static")
		}
		if err == nil {
			err = x.process.run()
		}
		if err == nil {
			return
		}
		if x.process = nil; !errors.Is(err, errCrash) {
			x.t.Fatal(err)
		}
	}
	x.t.Fatal("the process does not come to rest")
}

// rest settles while time passes.
func (x *revived) rest() {
	x.t.Helper()
	for range 3 {
		x.settle()
		x.clock.Advance(interval)
		x.settle()
	}
}

// crashAt ends the process at a call, counted from 0. It returns the counter of calls.
func (x *revived) crashAt(at int) (calls *int) {
	calls = new(int)
	x.onCall = func(simbroker.Op) error {
		if *calls++; *calls == at+1 {
			return errCrash
		}
		return nil
	}
	return calls
}
