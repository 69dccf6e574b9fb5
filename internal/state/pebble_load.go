package state

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Load writes a table of the changes and hands it to Pebble, which takes it as it is: no log, no memtable, no flush. It
// waits for the table to be durable.
func (b *pebbleBackend) Load(entries *Entries) (err error) {
	if err := b.usable(); err != nil {
		return b.wrap("load", err)
	}
	defer func() { err = b.wrap("load", err) }()
	defer b.recoverFailure(&err)
	if entries.Len() == 0 {
		return nil
	}
	// A crash must not take earlier changes and leave these.
	if err := b.syncLog(); err != nil {
		return err
	}
	fsys := b.options.FS
	path := fsys.PathJoin(b.dir, "load.sst")
	if err := b.writeTable(fsys, path, entries); err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(path)))
	}
	b.commits++
	if err := b.closeIdle(); err != nil {
		return err
	}
	if err := b.db.Ingest(context.Background(), []string{path}); err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(path)))
	}
	// Pebble has linked it under a name of its own.
	return errors.Join(ignoreMissing(fsys.Remove(path)), b.health.guard.failure())
}

func (b *pebbleBackend) writeTable(fsys vfs.FS, path string, entries *Entries) (err error) {
	file, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(file), b.options.MakeWriterOptions(0, b.db.TableFormat()))
	err = entries.sorted(func(key, value []byte) error {
		if len(key) == 0 {
			return errEmptyKey
		}
		if value == nil {
			return w.Delete(key)
		}
		return w.Set(key, value)
	})
	if err != nil {
		err = fmt.Errorf("write table: %w", err)
	}
	return errors.Join(err, w.Close()) // syncs
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
