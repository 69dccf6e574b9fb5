package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// Sink writes records to MongoDB. It is made by [New].
type Sink[K, V any] struct {
	options Options[K, V]
	hosts   string
	encoder *encoder[K, V]

	client   *mongo.Client // open between Connect and Close
	database *mongo.Database
}

// New returns a sink that writes documents to MongoDB. Connect finds mistakes.
func New[K, V any](o Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{options: o.withDefaults(), hosts: hosts(o.URI.Reveal())}
	s.encoder = newEncoder(&s.options)
	return s
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

var plainHosts = regexp.MustCompile(`^[A-Za-z0-9._:,\[\]%-]+$`)

// hosts returns the hosts of a connection string, without its secrets.
func hosts(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		authority = authority[i+1:]
	} else if strings.Contains(rest, "@") { // perhaps a password that is not escaped
		authority = ""
	}
	if !plainHosts.MatchString(authority) {
		return "(a malformed URI)"
	}
	return authority
}

// String names the collection and the hosts.
func (s *Sink[K, V]) String() string {
	o := &s.options
	if o.Collection == "" {
		return "MongoDB at " + s.hosts
	}
	return "collection " + o.Database + "." + o.Collection + " at " + s.hosts
}

// Connect implements [sink.Sink]. It checks the options and the credentials, and finds out whether the server takes writes, the collection is fit for
// documents, and the user may write them.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	wrong := s.options.check()
	if wrong != nil {
		return fmt.Errorf("%w: sink mongodb: %w", weir.ErrConfiguration, wrong)
	}
	settings, err := s.settings()
	if err != nil {
		return fmt.Errorf("%w: sink mongodb: %w", weir.ErrConfiguration, err)
	}
	if s.client, err = mongo.Connect(settings); err != nil {
		return fmt.Errorf("%w: sink mongodb: open a client of %s: %w", weir.ErrConfiguration, s.hosts, err)
	}
	s.database = s.client.Database(s.options.Database)
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for _, step := range []func(context.Context) error{s.ping, s.checkServer, s.checkCollection, s.checkPrivileges} {
		if err := step(bounded); err != nil {
			_ = s.Close(context.WithoutCancel(ctx)) // the error of the step counts
			return fmt.Errorf("connect to %s: %w", s, err)
		}
	}
	return nil
}

// settings returns the options of the client.
func (s *Sink[K, V]) settings() (*options.ClientOptions, error) {
	o := &s.options
	settings := options.Client().ApplyURI(o.URI.Reveal()).SetAppName("weir").
		SetServerSelectionTimeout(o.Timeout).SetConnectTimeout(o.Timeout).SetMaxPoolSize(uint64(o.Connections))
	if o.TLS != nil {
		settings.SetTLSConfig(o.TLS)
	}
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("the URI is malformed: it is something like mongodb://user:password@host:27017, with %%40 for an @ of the password: %w", s.hidden(err))
	}
	switch c := settings.WriteConcern; {
	case c == nil:
		settings.SetWriteConcern(writeconcern.Majority())
	case !c.Acknowledged():
		return nil, errors.New("the URI has w=0: records would count as written that no server has")
	}
	if settings.Auth != nil && settings.Auth.AuthMechanism == "PLAIN" && settings.TLSConfig == nil {
		return nil, errors.New("the mechanism PLAIN sends the password as it is: set tls=true")
	}
	return settings, nil
}

// hidden replaces an error of the parser if its text shows a part of the URI that may be secret.
func (s *Sink[K, V]) hidden(err error) error {
	text := err.Error()
	for _, part := range secretParts(s.options.URI.Reveal()) {
		if strings.Contains(text, part) {
			return errors.New("(the error of the driver shows a secret)")
		}
	}
	return err
}

// shortestSecret is the length of the least part that counts: shorter ones are in any text.
const shortestSecret = 4

// secretParts returns parts of a connection string that no text may show: the password and the values of parameters of the authentication.
func secretParts(uri string) (parts []string) {
	add := func(part string) {
		if len(part) >= shortestSecret {
			parts = append(parts, part)
		}
	}
	_, rest, _ := strings.Cut(uri, "://")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		login := rest[:i]
		_, password, found := strings.Cut(login, ":")
		if found {
			add(password)
			for _, piece := range strings.FieldsFunc(password, func(c rune) bool { return strings.ContainsRune("@/:?#[]%", c) }) {
				add(piece)
			}
		} else {
			add(login)
		}
	}
	if _, query, found := strings.Cut(rest, "?"); found {
		for parameter := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(parameter, "=")
			if n := strings.ToLower(name); strings.Contains(n, "password") || n == "authmechanismproperties" {
				add(value)
			}
		}
	}
	return parts
}

func (s *Sink[K, V]) ping(ctx context.Context) error {
	err := s.client.Ping(ctx, readpref.Primary())
	if hasCode(err, codeAuthenticationFailed) {
		return fmt.Errorf("%w: %w (the user and the password are those of Options.URI, and authSource is their database)", weir.ErrConfiguration, err)
	}
	return err
}

// checkServer refuses a server that takes no writes, which the driver finds only where the URI asks for a direct connection.
func (s *Sink[K, V]) checkServer(ctx context.Context) error {
	var hello struct {
		Primary bool   `bson:"ismaster"`
		Message string `bson:"msg"`
	}
	if err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&hello); err != nil {
		return err
	}
	if !hello.Primary && hello.Message != "isdbgrid" {
		return fmt.Errorf("%w: the server is no primary, which takes no writes: leave directConnection out of the URI, and name the replica set", weir.ErrConfiguration)
	}
	return nil
}

// checkCollection refuses views, and time series for documents that change. A collection that is missing is made by the first document.
func (s *Sink[K, V]) checkCollection(ctx context.Context) error {
	o := &s.options
	if o.Collection == "" {
		return nil
	}
	found, err := s.database.ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: o.Collection}})
	if hasCode(err, codeUnauthorized) { // a user may write, and not list
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the collection: %w", err)
	}
	for _, c := range found {
		switch {
		case c.Name != o.Collection:
		case c.Type == "view":
			return fmt.Errorf("%w: %q is a view, which takes no documents", weir.ErrConfiguration, o.Collection)
		case c.Type == "timeseries" && o.Mode != Insert:
			return fmt.Errorf("%w: %q is a time series, which takes the mode Insert alone, and Mode is %v", weir.ErrConfiguration, o.Collection, o.Mode)
		}
	}
	return nil
}

// privilege is an element of the answer to connectionStatus.
type privilege struct {
	Resource struct {
		Database    *string `bson:"db"`
		Collection  string  `bson:"collection"`
		AnyResource bool    `bson:"anyResource"`
	} `bson:"resource"`
	Actions []string `bson:"actions"`
}

// covers reports whether a privilege is for a collection.
func (p *privilege) covers(database, collection string) bool {
	r := &p.Resource
	if r.AnyResource {
		return true
	}
	return r.Database != nil && (*r.Database == "" || *r.Database == database) && (r.Collection == "" || r.Collection == collection)
}

// checkPrivileges asks for the actions that the user may do, if the server has users.
func (s *Sink[K, V]) checkPrivileges(ctx context.Context) error {
	o := &s.options
	if o.Collection == "" {
		return nil
	}
	var status struct {
		Info struct {
			Users      []bson.Raw  `bson:"authenticatedUsers"`
			Privileges []privilege `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}).Decode(&status)
	if _, refused := errors.AsType[mongo.CommandError](err); refused && !passes(err) { // a service that has no such command: the first document tells
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for the privileges: %w", err)
	}
	if len(status.Info.Users) == 0 { // a server without users, or a connection without one: then the first document tells
		return nil
	}
	needed := []string{"insert"}
	if o.Mode != Insert {
		needed = []string{"insert", "update", "remove"}
	}
	var missing []string
	for _, action := range needed {
		if !may(status.Info.Privileges, action, o.Database, o.Collection) {
			missing = append(missing, action)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the user may not %s documents of %s.%s: an administrator grants it, as by the role readWrite",
			weir.ErrConfiguration, strings.Join(missing, ", "), o.Database, o.Collection)
	}
	return nil
}

func may(privileges []privilege, action, database, collection string) bool {
	for i := range privileges {
		if privileges[i].covers(database, collection) {
			for _, a := range privileges[i].Actions {
				if a == action || a == "anyAction" {
					return true
				}
			}
		}
	}
	return false
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.client == nil {
		return nil, errors.New("sink mongodb: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(ctx context.Context) error {
	client := s.client
	s.client = nil
	if client == nil {
		return nil
	}
	if err := client.Disconnect(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the client of %s: %w", s.hosts, err)
	}
	return nil
}
