package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/source"
)

// reader reads the tables, and then their changes.
type reader[K, V any] struct {
	database *database[K, V]
	task     source.Task
	at       position
	queries  *pgx.Conn
	log      *pgconn.PgConn // nil until the changes are read
	stream   stream
	// inSnapshot is set while the transaction of the snapshot is open. time is when it began.
	inSnapshot bool
	time       time.Time
	// snapshots are those of the position, by their text.
	snapshots map[string]*snapshot
	// settled is the position in the log behind which no transaction follows that a snapshot decides about; 0 while that is not known. looked is
	// when the reader last asked.
	settled uint64
	looked  time.Time
	// checked is when the reader last looked whether the publication is whole.
	checked time.Time
	// acknowledged is the position that the server knows to be read, told when it last heard of it.
	acknowledged pglogrepl.LSN
	told         time.Time
}

// Open implements [source.Source].
func (d *database[K, V]) Open(ctx context.Context, task source.Task, _ source.Split, at []byte) (_ source.Reader[K, V], err error) {
	r := &reader[K, V]{database: d, task: task}
	if r.at, err = decodePosition(at); err != nil {
		return nil, err
	}
	if r.queries, err = d.open(ctx, false); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	if d.options.SnapshotOnly {
		return r, nil
	}
	if err := d.publish(ctx, r.queries, at == nil); err != nil {
		return nil, err
	}
	r.checked = time.Now()
	s, err := d.findSlot(ctx, r.queries)
	if err != nil {
		return nil, err
	}
	switch {
	case s != nil:
	case at != nil:
		return nil, connector.Permanent{Err: fmt.Errorf("%w: slot %q is gone, and so are the changes since the last commit of the source. Use another Options.Name of the source, which "+
			"begins with a snapshot", weir.ErrLostInput, d.options.Slot)}
	default:
		if err := r.makeSlot(ctx); err != nil {
			return nil, err
		}
	}
	if d.options.NoSnapshot {
		r.at.Done = true
	}
	if r.at.Done {
		return r, r.start(ctx)
	}
	return r, nil
}

// makeSlot makes the slot. The server waits for transactions that have begun before.
func (r *reader[K, V]) makeSlot(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, r.queries, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", r.database.options.Slot)
		return err
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42710" { // another process was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("create slot %q: %w", r.database.options.Slot, err)
	}
	return nil
}

// activeWait is how long another reader of the slot has to end, before Open is tried again.
const activeWait = time.Second

// start begins to read changes. Another reader of the slot belongs to a former owner of the split: its connection is ended.
func (r *reader[K, V]) start(ctx context.Context) error {
	d := r.database
	conn, err := d.open(ctx, true)
	if err != nil {
		return err
	}
	r.log = conn.PgConn()
	r.acknowledged = pglogrepl.LSN(r.at.LSN)
	err = pglogrepl.StartReplication(ctx, r.log, d.options.Slot, r.acknowledged, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names " + quoteLiteral(pgx.Identifier{d.options.Publication}.Sanitize())},
	})
	if err == nil {
		r.told = time.Now()
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "55006" {
		if s, look := d.findSlot(ctx, r.queries); look == nil && s != nil && s.active != 0 {
			if _, ended := r.queries.Exec(ctx, "SELECT pg_terminate_backend($1)", s.active); ended != nil {
				err = errors.Join(err, ended)
			}
		}
		return &weir.RetryLaterError{RetryAfter: activeWait, Err: fmt.Errorf("read slot %q, which another connection reads: %w", d.options.Slot, err)}
	}
	return fmt.Errorf("read slot %q: %w", d.options.Slot, err)
}

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Read implements [source.Reader].
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) (err error) {
	if !r.at.Done {
		if err := r.readRows(ctx, into); err != nil {
			return err
		}
		if r.at.Done && r.database.options.SnapshotOnly {
			err = io.EOF
		}
	} else {
		if r.log == nil {
			if r.database.options.SnapshotOnly {
				return io.EOF
			}
			if err := r.start(ctx); err != nil {
				return err
			}
		}
		if err := r.readChanges(ctx, into); err != nil {
			return err
		}
	}
	var encoding error
	into.Position, encoding = r.at.encode()
	if encoding != nil {
		return encoding
	}
	return err
}

// Acknowledge implements [source.Reader]: the server may delete its log up to there.
func (r *reader[K, V]) Acknowledge(ctx context.Context, at []byte) error {
	p, err := decodePosition(at)
	if err != nil || r.log == nil || p.LSN == 0 {
		return err
	}
	r.acknowledged = max(r.acknowledged, pglogrepl.LSN(p.LSN))
	return r.tell(ctx)
}

// tell says to the server how far the log is read.
func (r *reader[K, V]) tell(ctx context.Context) error {
	r.told = time.Now()
	if r.acknowledged == 0 {
		return nil
	}
	return pglogrepl.SendStandbyStatusUpdate(ctx, r.log, pglogrepl.StandbyStatusUpdate{WALWritePosition: r.acknowledged})
}

// Close implements [source.Reader].
func (r *reader[K, V]) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var err error
	if r.log != nil {
		err = r.log.Close(ctx)
	}
	if r.queries != nil {
		err = errors.Join(err, r.queries.Close(ctx))
	}
	return err
}
