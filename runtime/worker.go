package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/engine"
)

// worker is the goroutine that runs an engine.Worker.
type worker struct {
	engine *engine.Worker
	wake   func()
	jobs   chan func() error // holds one, so that it is there when the goroutine wakes
	finish chan bool         // true: checkpoint first
	once   sync.Once
	done   chan struct{} // closed when the goroutine has ended
	err    error         // why it ended; set before done is closed
}

// idleWait is how long a worker waits for records at most before it looks around. Jobs wake it.
const idleWait = time.Second

// startWorker starts the goroutine. It ends after stop, or with an error.
func startWorker(ctx context.Context, w *engine.Worker, wake func()) *worker {
	r := &worker{engine: w, wake: wake, jobs: make(chan func() error, 1), finish: make(chan bool, 1), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = r.loop(ctx)
	}()
	return r
}

func (r *worker) loop(ctx context.Context) error {
	for {
		select {
		case job := <-r.jobs:
			// After an error the worker must not take another step: a checkpoint would count incomplete work.
			if err := job(); err != nil {
				return errors.Join(err, r.engine.Abandon())
			}
			continue
		case checkpoint := <-r.finish:
			if checkpoint {
				return r.engine.Close(ctx)
			}
			return r.engine.Abandon()
		default:
		}
		if _, err := r.engine.Step(ctx, idleWait); err != nil {
			return errors.Join(err, r.engine.Abandon())
		}
	}
}

// stop tells the goroutine to end.
func (r *worker) stop(checkpoint bool) {
	r.once.Do(func() { r.finish <- checkpoint })
	r.wake()
}

// wait waits for the goroutine to end.
func (r *worker) wait() error {
	<-r.done
	return r.err
}

// do runs a job on the goroutine and returns its error, or why the goroutine has ended. Before it comes to the job the
// goroutine ends its step, which may not take for ever.
func (r *worker) do(job func(*engine.Worker) error) error {
	result := make(chan error, 1)
	stepEnded := r.engine.Hurry()
	defer stepEnded()
	select {
	case r.jobs <- func() error {
		stepEnded()
		err := job(r.engine)
		result <- err
		return err
	}:
		r.wake()
	case <-r.done:
	}
	select {
	case err := <-result:
		return err
	case <-r.done:
	}
	select {
	case err := <-result: // it was the last thing that the goroutine did
		return err
	default:
	}
	if r.err != nil {
		return r.err
	}
	return errors.New("the worker has stopped")
}

// each runs a job on each of some workers, all at the same time, and waits for all.
func each(workers []*worker, jobs map[int]func(*engine.Worker) error) error {
	errs := make([]error, len(workers))
	var wait sync.WaitGroup
	for i, job := range jobs {
		wait.Go(func() { errs[i] = workers[i].do(job) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
