package stores

import (
	"errors"

	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// At least once, a restore without committed offsets takes all records of a changelog, see filter. That is right for the owner of
// the task, which knows that it is by its claim. A process that has lost the task meanwhile may read records of a checkpoint of its
// successor that was never completed. So the database is in doubt until the process has found itself to be the owner, and says so in a row of its
// own: if it is opened in doubt, it is restored from nothing.

// inDoubt reports whether a restore has nothing to compare changes with.
func (s *Set) inDoubt() bool { return !s.config.ExactlyOnce && len(s.Input.Uncommitted) > 0 }

// dropDoubtful deletes the rows and positions of the stores with a changelog if the database is in doubt.
func (s *Set) dropDoubtful() error {
	_, err := s.db.Backend.Get(nil, database.MetaKey(database.DoubtRow, ""))
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.config.Logger.Info("state is restored from nothing, as the last restore has ended before it was known which changes count")
	return s.db.Write(func(b state.Batch) error {
		for i := range s.logged {
			if err := s.db.Forget(b, s.logged[i].Name, s.logged[i].prefix); err != nil {
				return err
			}
		}
		for _, topic := range s.Input.Topics() {
			if err := b.Delete(database.MetaKey(database.InputOffset, topic)); err != nil {
				return err
			}
		}
		return b.Delete(database.MetaKey(database.DoubtRow, ""))
	})
}
