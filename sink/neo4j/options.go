package neo4j

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
)

// Unique names a property that no two nodes with a label have the same value of.
type Unique struct {
	Label, Property string
}

// Options configure a sink of records with keys of type K and values of type V. URI, and one of Label and Query are needed.
type Options[K, V any] struct {
	// URI is the address: "neo4j://host:7687" finds the leader of a cluster, "bolt://host:7687" is a connection to one server; "neo4j+s" and "bolt+s" are those with TLS. It has no
	// user and no password.
	URI string
	// User and Password are the credentials. Without a User there are none.
	User     string
	Password secret.String
	// Insecure lets the password go over a connection without TLS to a host other than this one.
	Insecure bool
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config
	// Database is the name of the database. Empty means that of the user.
	Database string

	// Label writes a node with this label for each key: it is merged by the property ID, and gets the properties of the value. A null value deletes the node with its
	// relationships. A null key is an error of the record.
	Label string
	// ID is the property that has the key. Empty means "id".
	ID string
	// Keep keeps properties of a node that the value does not have. By default they are removed.
	Keep bool

	// Query is a query in Cypher for one record, in place of Label. The sink puts an UNWIND over many records in front of it. The query sees these variables: event and
	// __value, the value; __key; __header, a list of pairs of name and text (or bytes that are not UTF-8); __time, the time of the record, in UTC, and __timestamp, the
	// same in milliseconds since 1970; __topic, __partition and __offset of the input record; and __origin, "TOPIC-PARTITION-OFFSET". Do not write values of records
	// into the text: the query is the same for all of them.
	Query string
	// Parameters are further parameters of Query: $name. The name "records" is that of the sink.
	Parameters map[string]any
	// Value returns the value of a record, as a map, list, number, text, bytes, boolean, time or type of the driver, or a row.Row. nil is null. It is called for null
	// values too. A nil function takes the value of the record as a row: structs and maps by their JSON names. It runs on the task's goroutine.
	Value func(r *weir.Record[K, V]) (any, error)

	// Unique are properties that Connect makes constraints for, if they are missing. MERGE reads all nodes of the label for each record without one. That of Label and ID is
	// always among them.
	Unique []Unique
	// FixedSchema makes no constraints: Connect fails if one of Unique is missing, and names the statement that makes it.
	FixedSchema bool

	// MaxRecords and MaxBytes bound the records of one transaction. A single record may be larger. 0 means 1,000, and 8 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Connections is the greatest number of connections to a server. 0 means 8.
	Connections int
	// Timeout bounds Connect, and one attempt of a transaction, in the client and in the server. 0 means 30 s.
	Timeout time.Duration
	// Retry is for transactions that fail because a connection breaks, two of them wait for each other, or the leader of a cluster changes. When its attempts are used up,
	// the application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	defaultMaxRecords  = 1000
	defaultMaxBytes    = 8 << 20
	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultConnections = 8
	defaultTimeout     = 30 * time.Second
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	if o.Label != "" {
		o.ID = cmp.Or(o.ID, "id")
		o.Unique = append(slices.Clone(o.Unique), Unique{o.Label, o.ID})
	}
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Connections = cmp.Or(o.Connections, defaultConnections)
	o.Timeout, o.OutageWait = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	return o
}

// check returns everything that is wrong, but for errors that only the server finds.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if err := o.checkURI(); err != nil {
		wrong = append(wrong, err)
	}
	if o.User == "" && !o.Password.IsZero() {
		bad("Password is set, and User is empty")
	}
	if (o.Label == "") == (o.Query == "") {
		bad("one of Label and Query is needed")
	}
	if o.Query != "" && (o.ID != "" || o.Keep) {
		bad("ID and Keep are for Label, and Query is set")
	}
	if o.Label != "" && o.Parameters != nil {
		bad("Parameters are for Query, and Label is set")
	}
	if _, taken := o.Parameters[recordsParameter]; taken {
		bad("Parameters has %q, which the sink sets itself", recordsParameter)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		if _, err := parameter(o.Parameters[name]); err != nil {
			bad("Parameters, %q: %w", name, err)
		}
	}
	for _, u := range o.Unique {
		for _, name := range []string{u.Label, u.Property} {
			if err := checkName(name); err != nil {
				bad("the label or property of a node: %w", err)
			}
		}
	}
	return errors.Join(wrong...)
}

// schemes are those of URIs, and whether they have TLS.
var schemes = map[string]bool{"bolt": false, "neo4j": false, "bolt+s": true, "neo4j+s": true}

func (o *Options[K, V]) checkURI() error {
	if o.URI == "" {
		return errors.New("URI is empty")
	}
	u, err := url.Parse(o.URI)
	if err != nil || u.Hostname() == "" {
		return errors.New("URI is malformed: it is something like neo4j+s://host:7687")
	}
	secure, known := schemes[u.Scheme]
	switch {
	case strings.HasSuffix(u.Scheme, "+ssc"):
		return errors.New("URI begins with " + u.Scheme + ", which trusts any certificate: use +s, and name the authority in Options.TLS")
	case !known:
		return errors.New("URI begins with none of neo4j, neo4j+s, bolt and bolt+s")
	case u.User != nil:
		return errors.New("URI has a user or a password: set Options.User and Options.Password")
	case o.TLS != nil && !secure:
		return fmt.Errorf("TLS is set, and URI is without it: it begins with %s+s then", u.Scheme)
	case !secure && !o.Password.IsZero() && !o.Insecure && !web.IsLocal(u.Hostname()):
		return fmt.Errorf("the password would go to %s without TLS, where others can read it: use %s+s, or set Options.Insecure", u.Host, u.Scheme)
	}
	return nil
}

// longestName is the greatest length of names of Neo4j, in characters.
const longestName = 65_534

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("its name is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("%q: %w", name, connector.ErrUTF8)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("%q has a zero byte", name)
	case utf8.RuneCountInString(name) > longestName:
		return errors.New("its name is too long")
	}
	return nil
}

// Quote returns a name as a label, a type or a property in the text of a query, where no character of it can end it: for names that are known only as the program starts.
func Quote(name string) string {
	// Cypher reads \u0060 as a backtick before it looks at names, so each backslash is written by its own code.
	return "`" + strings.NewReplacer("`", "``", `\`, `\u005C`).Replace(name) + "`"
}
