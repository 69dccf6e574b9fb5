package sink

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
)

// TwoPhase is a sink that makes added records durable before they are visible. Delivery to it is exactly once if the
// application runs exactly once, whatever fails, and also if functions of the topology are not deterministic. Readers see records after
// the commit of their checkpoint.
//
// The runtime calls TwoPhaseWriter and never Writer.
type TwoPhase[K, V any] interface {
	Sink[K, V]
	// TwoPhaseWriter returns the writer of a task. It is called by the goroutines of several tasks at once.
	TwoPhaseWriter(ctx context.Context, task Task) (TwoPhaseWriter[K, V], error)
}

// TwoPhaseWriter writes the records of one task in two phases. Prepare takes the place of Flush.
//
// The token of each prepared checkpoint is kept in the state of the task, within the checkpoint. When the checkpoint has
// committed, Commit makes its records visible. A token is given to Commit again after each crash until it has succeeded, by whichever
// process owns the task then.
//
// Two methods of one writer never run at once, but for Commit, which may run on a goroutine of its own beside Add, Full and
// Discard. Commits of one task run one at a time, in the order of their checkpoints.
type TwoPhaseWriter[K, V any] interface {
	// Add, Full, Discard and Close are those of [Writer].
	Add(ctx context.Context, r *weir.Record[K, V]) error
	Full() bool
	Discard()
	Close() error
	// Recover is called once, before any other method. epoch is that of this owner of the task (Checkpoint.Epoch). tokens are those of
	// committed checkpoints that may not be visible yet, in order: Commit is called for each of them next. Recover removes prepared work
	// of the task that belongs to no token. It leaves work with a greater epoch alone: it is that of an owner that came later.
	Recover(ctx context.Context, epoch string, tokens [][]byte) error
	// Prepare makes everything that was added durable and invisible, and returns a token that Commit needs to make it visible.
	// No record was added: the token is nil, and Commit is not called. Errors mean the same as those of [Writer].Flush. A checkpoint
	// that fails after its Prepare is prepared again with another ID, after the records were processed again.
	Prepare(ctx context.Context, c Checkpoint) (token []byte, err error)
	// Commit makes the work of a token visible. It must do nothing for a token whose work is visible already, and may be called for it by
	// two processes at once. After a weir.RetryLaterError it is called again, later; any other error ends the run.
	Commit(ctx context.Context, token []byte) error
}

// RecordErrors says which records of a batch the target has refused, while it took the others.
type RecordErrors []RecordError

// RecordError is the error of one record of a batch.
type RecordError struct {
	// Index is that of the record in the batch.
	Index int
	// Origin is where the record came from. Batch sets it; a writer of another kind has to set it.
	Origin weir.Origin
	// Err is the answer of the target. Several errors of one record are joined.
	Err error
}

// Error names the first records.
func (e RecordErrors) Error() string {
	const shown = 3
	var b strings.Builder
	fmt.Fprintf(&b, "%d records refused", len(e))
	for i, r := range e {
		if i == shown {
			b.WriteString("; ...")
			break
		}
		fmt.Fprintf(&b, "; record %d of the batch: %v", r.Index, r.Err)
	}
	return b.String()
}

// Permanent says that another attempt with the same records does not help: see [weir.Retry].
func (RecordErrors) Permanent() bool { return true }

// Unwrap returns the errors of the records.
func (e RecordErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i].Err
	}
	return errs
}
