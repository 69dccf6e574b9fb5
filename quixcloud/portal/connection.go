package portal

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
)

// Connection returns the address, the login and the certificate of the cluster of a workspace. Options of librdkafka that kafka.Connection does
// not know are logged and left out. If the cluster uses TLS and the settings have no certificate, that of Certificate is taken.
func (c *Client) Connection(ctx context.Context, workspace string) (kafka.Connection, error) {
	path := []string{"workspaces", workspace, "broker", "librdkafka"}
	var answer map[string]any
	if err := c.get(ctx, &answer, path...); err != nil {
		return kafka.Connection{}, err
	}
	wrong := func(err error) (kafka.Connection, error) { return kafka.Connection{}, c.misunderstood(err, path...) }
	options := map[string]string{}
	for name, value := range answer {
		switch value := value.(type) {
		case nil:
		case string:
			options[name] = value
		case bool, float64:
			options[name] = fmt.Sprint(value)
		default:
			return wrong(fmt.Errorf("%s is neither text nor a number", name))
		}
	}
	if text, ok := options["ssl.ca.cert"]; ok {
		certificate, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			certificate, err = asPEM(certificate)
		}
		if err != nil {
			return wrong(fmt.Errorf("ssl.ca.cert: %w", err))
		}
		delete(options, "ssl.ca.cert")
		options["ssl.ca.pem"] = string(certificate)
	}
	connection, ignored, err := kafka.ConnectionFromMapIgnoring(options)
	switch {
	case err != nil:
		return wrong(err)
	case len(connection.Brokers) == 0:
		return wrong(errors.New("there is no bootstrap.servers"))
	case len(ignored) > 0:
		c.log.Warn("the portal gives options for the cluster that are not known here", "options", ignored)
	}
	if strings.HasSuffix(connection.SecurityProtocol, "ssl") && connection.TLS.CAPEM.IsZero() && connection.TLS.CALocation == "" {
		certificate, err := c.Certificate(ctx, workspace)
		if err != nil && !errors.Is(err, ErrNotFound) { // then the authorities of the system count
			return kafka.Connection{}, err
		}
		connection.TLS.CAPEM = secret.New(string(certificate))
	}
	return connection, nil
}

// certificateName is the entry of the archive with the certificate.
const certificateName = "ca.cert"

// maxCertificate is the largest file with certificates, in bytes.
const maxCertificate = 4 << 20

// Certificate downloads the archive with the certificate of the authority of a workspace's cluster, and returns the certificate in PEM. It
// is empty if the cluster has none of its own.
func (c *Client) Certificate(ctx context.Context, workspace string) ([]byte, error) {
	path := []string{"workspaces", workspace, "certificates"}
	data, err := c.send(ctx, "GET", nil, path...)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	certificate, err := extract(data)
	if err != nil {
		return nil, c.misunderstood(err, path...)
	}
	return certificate, nil
}

// extract returns the certificate of an archive, or nothing if it has none.
func extract(archive []byte) ([]byte, error) {
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	for _, file := range reader.File {
		if file.Name != certificateName {
			continue
		}
		content, err := file.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", certificateName, err)
		}
		data, err := io.ReadAll(io.LimitReader(content, maxCertificate+1))
		if err = errors.Join(err, content.Close()); err == nil && len(data) > maxCertificate {
			err = fmt.Errorf("more than %d bytes", maxCertificate)
		}
		if err == nil {
			data, err = asPEM(data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", certificateName, err)
		}
		return data, nil
	}
	return nil, nil
}

// asPEM returns certificates in PEM, given in PEM or as one in DER.
func asPEM(data []byte) ([]byte, error) {
	if block, _ := pem.Decode(data); block != nil {
		return data, nil
	}
	certificate, err := x509.ParseCertificate(data)
	if err != nil {
		return nil, errors.New("neither PEM nor a certificate in DER")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), nil
}
