package engine

import (
	"errors"

	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// At least once, a restore without committed offsets takes all records of a changelog, see prepareFilter. That is right for the owner of
// the task, which knows that it is by its claim. A process that has lost the task meanwhile may read records of a checkpoint of its
// successor that was never completed. So the database is in doubt until the process has found itself to be the owner, and says so in a row of its
// own: if it is opened in doubt, it is restored from nothing.

// inDoubt reports whether a restore of a task has nothing to compare changes with.
func (w *Worker) inDoubt(t *task) bool { return !w.config.ExactlyOnce && len(t.uncommitted) > 0 }

// dropDoubtful deletes the rows and positions of the stores with a changelog if the database is in doubt.
func (t *task) dropDoubtful() error {
	_, err := t.database.Backend.Get(nil, database.MetaKey(database.DoubtRow, ""))
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t.env.Logger.Info("state is restored from nothing, as the last restore has ended before it was known which changes count")
	return t.database.Write(func(b state.Batch) error {
		for i := range t.stores {
			if err := t.database.Forget(b, t.stores[i].Name, t.stores[i].prefix); err != nil {
				return err
			}
		}
		for topic := range t.inputs {
			if err := b.Delete(database.MetaKey(database.InputOffset, topic)); err != nil {
				return err
			}
		}
		return b.Delete(database.MetaKey(database.DoubtRow, ""))
	})
}
