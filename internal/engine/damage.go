package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
)

// openState opens the database of a task. A damaged one is deleted: the changelogs hold its content.
func (w *Worker) openState(t *task) error {
	err := w.tryOpenState(t)
	if errors.Is(err, weir.ErrCorruptState) {
		if err := w.dropDamaged(t.id, t.name, err); err != nil {
			return err
		}
		err = w.tryOpenState(t)
	}
	return err
}

func (w *Worker) tryOpenState(t *task) error {
	backend, err := w.config.OpenBackend(t.name)
	if err != nil {
		return err
	}
	return t.stores.Open(backend)
}

// checkDamage returns an error if the database of a task was found to be damaged: no checkpoint may count data that was read from it.
func (w *Worker) checkDamage() error {
	for _, t := range w.tasks {
		if err := t.stores.Damage(); err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	return nil
}

// dropDamaged deletes the database of a closed task, and counts it.
func (w *Worker) dropDamaged(id TaskID, name string, damage error) error {
	w.config.Logger.Error("state is damaged; it is deleted and restored from the changelogs", "task", name, "error", damage)
	if lost := w.plan.SubTopologies[id.Part].UnloggedStores(); len(lost) > 0 {
		w.config.Logger.Error("stores without a changelog begin empty, because the database is damaged", "task", name, "stores", lost)
	}
	w.rebuilt[id]++
	return w.config.DestroyBackend(name)
}

// heal goes on after the database of a task was found to be damaged: all tasks go back to the last checkpoint, and the damaged ones
// restore their state from the changelogs.
func (w *Worker) heal(ctx context.Context, cause error) error {
	w.goOn()
	return w.startOver(ctx, cause)
}
