package mysql

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/source"
)

// reader reads the tables, and then their changes.
type reader[K, V any] struct {
	database *database[K, V]
	task     source.Task
	at       position
	queries  *connection
	log      *replicaLog // nil until the changes are read
	stream   stream
	// inSnapshot is set while the transaction of the snapshot is open, which has these tables and this place in the log. time is when it began.
	inSnapshot bool
	tables     []*table
	snapshot   place
	time       time.Time
	// parsed are sets of global transaction identifiers, by their text.
	parsed map[string]mysql.GTIDSet
	// looked is when the reader last asked for the end of the log.
	looked time.Time
	// heard is when the last event came.
	heard time.Time
}

// lost returns an error about changes that cannot be read any more.
func lost(format string, args ...any) error {
	return connector.Permanent{Err: fmt.Errorf("%w: %w. Use another Options.Name of the source, which begins with a snapshot", weir.ErrLostInput, fmt.Errorf(format, args...))}
}

// Open implements [source.Source].
func (d *database[K, V]) Open(ctx context.Context, task source.Task, _ source.Split, at []byte) (_ source.Reader[K, V], err error) {
	r := &reader[K, V]{database: d, task: task, tables: d.tables}
	if r.at, err = decodePosition(at); err != nil {
		return nil, err
	}
	if r.queries, err = d.open(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	if at == nil {
		r.at.Tables, r.at.Server, r.at.ByGTID, r.at.Done = d.options.Tables, d.server, d.byGTID, d.options.NoSnapshot
	}
	switch {
	case !slices.Equal(r.at.Tables, d.options.Tables):
		return nil, connector.Permanent{Err: fmt.Errorf("the position of the source is of the tables %q, and Options.Tables has %q: use another Options.Name of the source, which begins with a snapshot", r.at.Tables, d.options.Tables)}
	case d.options.SnapshotOnly:
		return r, nil
	case r.at.ByGTID != d.byGTID:
		return nil, connector.Permanent{Err: errors.New("the server has begun or ended to use global transaction identifiers since the source began: use another Options.Name of the source, which begins with a snapshot")}
	case !r.at.ByGTID && r.at.Server != d.server:
		return nil, lost("the log that was read is of server %s, and this is %s, whose places in the log are others", r.at.Server, d.server)
	}
	if r.at.Done {
		if !r.at.Started { // without a snapshot
			if r.at.place, err = d.end(ctx, r.queries); err != nil {
				return nil, err
			}
			r.at.Started = true
		}
		return r, r.start(ctx)
	}
	return r, nil
}

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
		if r.database.options.SnapshotOnly {
			return io.EOF
		}
		if r.log == nil {
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

// Acknowledge implements [source.Reader]. Servers keep their log for a time, and not for a reader.
func (*reader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

// Close implements [source.Reader].
func (r *reader[K, V]) Close() error {
	if r.log != nil {
		r.log.close()
	}
	if r.queries != nil {
		_ = r.queries.Close() // the server may be gone
	}
	return nil
}

const (
	// heartbeat is how often the server says that it is there, and silence how long it may say nothing. A read timeout of the client would also count the time in which
	// the application takes no events.
	heartbeat = 10 * time.Second
	silence   = time.Minute
	// eventsAhead is how many events are read before they are asked for.
	eventsAhead = 256
)

// replicaLog is a connection that gets the log, as those of replicas do.
type replicaLog struct {
	syncer *replication.BinlogSyncer
	stream *replication.BinlogStreamer
	closed atomic.Bool
}

// dial begins to read the log at a place.
func (d *database[K, V]) dial(ctx context.Context, at *place, serverID uint32) (*replicaLog, error) {
	l := &replicaLog{}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, d.options.ConnectTimeout)
	defer cancel()
	dialer := net.Dialer{Timeout: d.options.ConnectTimeout}
	var raw atomic.Pointer[net.Conn]
	wanted := make(map[string]bool, len(d.tables))
	for _, t := range d.tables {
		wanted[t.schema+"."+t.name] = true
	}
	l.syncer = replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: serverID, Flavor: d.flavor, Host: d.address.host, Port: d.address.port, User: d.address.user, Password: d.address.password.Reveal(), Localhost: "weir",
		TLSConfig: d.secure(), TimestampStringLocation: time.UTC, HeartbeatPeriod: heartbeat, DisableRetrySync: true, VerifyChecksum: true,
		DiscardGTIDSet: true, EventCacheCount: eventsAhead, Logger: slog.New(slog.DiscardHandler),
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			if l.closed.Load() { // a new connection would kill this one, which ends anyway
				return nil, net.ErrClosed
			}
			c, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				raw.Store(&c)
			}
			return c, err
		},
		Option: func(c *client.Conn) error { // the server waits while the application is busy
			_, err := c.Execute("SET net_write_timeout = 31536000")
			return err
		},
		RowsEventDecodeFunc: func(e *replication.RowsEvent, data []byte) error {
			begin, err := e.DecodeHeader(data)
			if err != nil || !wanted[string(e.Table.Schema)+"."+string(e.Table.Table)] {
				return err
			}
			return e.DecodeData(begin, data)
		},
	})
	stop := context.AfterFunc(ctx, func() {
		if c := raw.Load(); c != nil {
			_ = (*c).Close()
		}
	})
	defer stop()
	var err error
	if d.byGTID {
		var set mysql.GTIDSet
		if set, err = mysql.ParseGTIDSet(d.flavor, at.GTID); err == nil {
			l.stream, err = l.syncer.StartSyncGTID(set)
		}
	} else {
		l.stream, err = l.syncer.StartSync(mysql.Position{Name: at.File, Pos: at.Pos})
	}
	if err != nil {
		l.close()
		if parent.Err() != nil {
			return nil, context.Cause(parent)
		}
		return nil, fmt.Errorf("read the log of %s (GRANT REPLICATION SLAVE ON *.* TO the user): %w", &d.address, err)
	}
	return l, nil
}

func (l *replicaLog) close() {
	l.closed.Store(true)
	l.syncer.Close()
}

// start begins to read changes.
func (r *reader[K, V]) start(ctx context.Context) (err error) {
	id := r.database.options.ServerID
	if id == 0 {
		id = 1<<31 | crc32.ChecksumIEEE([]byte(r.task.Application+"\x00"+r.task.Source))
	}
	r.stream.file, r.stream.pos = r.at.File, r.at.Pos
	r.log, err = r.database.dial(ctx, &r.at.place, id)
	r.heard = time.Now()
	return err
}

// tryLog finds out whether the user may read the log, with a number that no reader has.
func (d *database[K, V]) tryLog(ctx context.Context, c *connection) error {
	at, err := d.end(ctx, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	l, err := d.dial(ctx, &at, 1<<31|c.GetConnectionID())
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := l.stream.GetEvent(ctx); err != nil {
		return fmt.Errorf("read the log of %s (GRANT REPLICATION SLAVE ON *.* TO the user): %w", &d.address, err)
	}
	return nil
}
