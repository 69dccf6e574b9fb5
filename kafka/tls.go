package kafka

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/weirstreams/weir/secret"
)

// wrongValues returns an error for each option with a wrong value. It reads no files.
func (c *TLS) wrongValues() (problems []error) {
	if a := c.EndpointIdentification; a != "" && a != "https" && a != "none" {
		problems = append(problems, errors.New("TLS.EndpointIdentification: unknown value: it is https or none"))
	}
	problems = append(problems, c.wrongPaths()...)
	for _, f := range []func(*tls.Config) error{c.cipherSuites, c.curves} {
		if err := f(&tls.Config{}); err != nil {
			problems = append(problems, fmt.Errorf("TLS.%w", err))
		}
	}
	return problems
}

// wrongPaths returns an error for each path that is none. The errors of files, which show the path, must not show these.
func (c *TLS) wrongPaths() (problems []error) {
	for _, field := range []struct{ name, file string }{
		{"CALocation", c.CALocation},
		{"CertificateLocation", c.CertificateLocation},
		{"KeyLocation", c.KeyLocation},
		{"KeystoreLocation", c.KeystoreLocation},
		{"CRLLocation", c.CRLLocation},
	} {
		if strings.ContainsAny(field.file, "\r\n") || strings.Contains(field.file, "-----BEGIN") {
			problems = append(problems, fmt.Errorf("TLS.%s is not the path of a file: text in PEM belongs in CAPEM, CertificatePEM or KeyPEM", field.name))
		}
	}
	return problems
}

// load reads the files and returns the TLS settings of the client. now decides whether a list of revoked certificates is old.
func (c TLS) load(now time.Time) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var problems []error
	for _, f := range []func(*tls.Config) error{c.authorities, c.certificate} {
		problems = append(problems, f(config))
	}
	_, _ = c.cipherSuites(config), c.curves(config) // wrongValues has said what is wrong with them
	revoked, err := c.revoked(now)
	if problems = append(problems, err); errors.Join(problems...) != nil {
		return nil, fmt.Errorf("TLS: %w", errors.Join(problems...))
	}
	switch {
	case c.SkipVerification:
		config.InsecureSkipVerify = true // as the user has said
	case c.EndpointIdentification == "none":
		config.InsecureSkipVerify = true // replaced by a verification without the name
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, config.RootCAs, revoked) }
	case len(revoked) > 0:
		config.VerifyConnection = func(state tls.ConnectionState) error { return checkRevoked(state.VerifiedChains, revoked) }
	}
	return config, nil
}

// pemOr returns the text, or the content of the file.
func pemOr(text, file, option string) ([]byte, error) {
	if text != "" || file == "" {
		return []byte(text), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return data, nil
}

func (c *TLS) authorities(config *tls.Config) error {
	var texts [][]byte
	if info, err := os.Stat(c.CALocation); c.CAPEM.IsZero() && err == nil && info.IsDir() {
		files, err := filepath.Glob(filepath.Join(c.CALocation, "*"))
		if err != nil {
			return fmt.Errorf("CALocation: %w", err)
		}
		var problems []error
		for _, file := range files {
			text, err := pemOr("", file, "CALocation")
			texts, problems = append(texts, text), append(problems, err)
		}
		if err := errors.Join(problems...); err != nil {
			return err
		}
	} else {
		text, err := pemOr(c.CAPEM.Reveal(), c.CALocation, "CALocation")
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	all := bytes.Join(texts, []byte("\n"))
	if len(bytes.TrimSpace(all)) == 0 {
		return nil
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(all) {
		return errors.New("CALocation or CAPEM holds no certificate in PEM")
	}
	return nil
}

func (c *TLS) certificate(config *tls.Config) error {
	if c.KeystoreLocation != "" {
		return c.keystore(config)
	}
	certificate, certificateErr := pemOr(c.CertificatePEM, c.CertificateLocation, "CertificateLocation")
	key, err := pemOr(c.KeyPEM.Reveal(), c.KeyLocation, "KeyLocation")
	if err := errors.Join(certificateErr, err); err != nil {
		return err
	}
	switch {
	case len(certificate) == 0 && len(key) == 0:
		return nil
	case len(certificate) == 0:
		return errors.New("a key is given and no certificate: set CertificateLocation or CertificatePEM")
	case len(key) == 0:
		key = certificate // both may be in one file
	}
	if key, err = decryptKey(key, c.KeyPassword); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("certificate and key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}

// decryptKey returns the key without its password, if it has one: PKCS #8 (RFC 5958).
func decryptKey(text []byte, password secret.String) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil
		}
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the key is encrypted in the old form of OpenSSL: convert it with openssl pkcs8 -topk8")
		}
		if block.Type != "ENCRYPTED PRIVATE KEY" {
			continue
		}
		if password.IsZero() {
			return nil, errors.New("the key is encrypted: set KeyPassword")
		}
		key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("decrypt the key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("decrypt the key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
}

// keystore reads a PKCS #12 file (RFC 7292).
func (c *TLS) keystore(config *tls.Config) error {
	data, err := os.ReadFile(c.KeystoreLocation)
	if err != nil {
		return fmt.Errorf("KeystoreLocation: %w", err)
	}
	key, leaf, others, err := pkcs12.DecodeChain(data, c.KeystorePassword.Reveal())
	if err != nil {
		return fmt.Errorf("KeystoreLocation %s: %w", c.KeystoreLocation, err)
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: leaf, Certificate: [][]byte{leaf.Raw}}
	for _, o := range others {
		pair.Certificate = append(pair.Certificate, o.Raw)
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}

// names returns the parts of a list.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ':' || r == ' ' })
}

func (c *TLS) cipherSuites(config *tls.Config) error {
	for n, name := range names(c.CipherSuites) {
		suites := tls.CipherSuites()
		i := slices.IndexFunc(suites, func(s *tls.CipherSuite) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("CipherSuites: name %d is not a cipher suite of crypto/tls", n+1)
		}
		config.CipherSuites = append(config.CipherSuites, suites[i].ID)
	}
	return nil
}

func (c *TLS) curves(config *tls.Config) error {
	known := map[string]tls.CurveID{
		"X25519": tls.X25519, "P-256": tls.CurveP256, "prime256v1": tls.CurveP256, "P-384": tls.CurveP384, "secp384r1": tls.CurveP384,
		"P-521": tls.CurveP521, "secp521r1": tls.CurveP521,
	}
	for n, name := range names(c.Curves) {
		id, ok := known[name]
		if !ok {
			//lint:ignore ST1005 Curves is the name of a field.
			return fmt.Errorf("Curves: name %d is unknown: want X25519, P-256, P-384 or P-521", n+1)
		}
		config.CurvePreferences = append(config.CurvePreferences, id)
	}
	return nil
}

// revoked returns the serial numbers of revoked certificates, behind the issuer.
func (c *TLS) revoked(now time.Time) (map[string]bool, error) {
	if c.CRLLocation == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.CRLLocation)
	if err != nil {
		return nil, fmt.Errorf("CRLLocation: %w", err)
	}
	revoked := map[string]bool{}
	lists := 0
	for rest := data; ; lists++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("CRLLocation: %w", err)
		}
		if !list.NextUpdate.IsZero() && list.NextUpdate.Before(now) {
			return nil, fmt.Errorf("CRLLocation: the list of %s is out of date since %s", list.Issuer, list.NextUpdate.Format(time.DateOnly))
		}
		for _, entry := range list.RevokedCertificateEntries {
			revoked[string(list.RawIssuer)+entry.SerialNumber.String()] = true
		}
	}
	if lists == 0 {
		return nil, errors.New("CRLLocation holds no list in PEM")
	}
	return revoked, nil
}

// verifyChain is the verification of crypto/tls, but for the name of the broker.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool, revoked map[string]bool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := state.PeerCertificates[0].Verify(options)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return checkRevoked(chains, revoked)
}

func checkRevoked(chains [][]*x509.Certificate, revoked map[string]bool) error {
	for _, chain := range chains {
		if !slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return revoked[string(c.RawIssuer)+c.SerialNumber.String()] }) {
			return nil
		}
	}
	return &tls.CertificateVerificationError{Err: errors.New("the certificate of the broker was revoked")}
}
