{{/* Names. The runbook's lines name every object `stock-service`: keep the release name short and equal. */}}
{{- define "stock-service.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name label is the chart's name and cannot be overridden: the runbook selects pods by it. */}}
{{- define "stock-service.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "stock-service.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ include "stock-service.tag" . | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
stock-service/environment: {{ .Values.environment }}
{{- end -}}

{{- define "stock-service.labels" -}}
{{ include "stock-service.selectorLabels" . }}
{{ include "stock-service.commonLabels" . }}
{{- end -}}

{{/* Labels of helper pods (tests, backups): another name, so the runbook's selectors never catch them. */}}
{{- define "stock-service.helperLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}-{{ .role }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{ include "stock-service.commonLabels" .root }}
{{- end -}}

{{/* `--set image.tag=1234567` arrives as a number: print it without an exponent. */}}
{{- define "stock-service.plain" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . | toString }}{{ end }}{{ else }}{{ . | toString }}{{ end -}}
{{- end -}}

{{- define "stock-service.tag" -}}
{{- include "stock-service.plain" (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "stock-service.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ include "stock-service.tag" . }}
{{- end -}}
{{- end -}}

{{/* With autoscaling, the floor of the replica count; `--set replicaCount=10` raises it. */}}
{{- define "stock-service.minReplicas" -}}
{{- max (.Values.autoscaling.minReplicas | int) (.Values.replicaCount | int) -}}
{{- end -}}

{{/*
The replica count to render. Under autoscaling the live number wins over the floor: removing the field would let the
count fall to 1 for a moment, and rendering the floor would undo the autoscaler, which then is a field conflict.
*/}}
{{- define "stock-service.replicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "stock-service.fullname" .) -}}
{{- max (include "stock-service.minReplicas" . | int) (dig "spec" "replicas" 0 $live | int) -}}
{{- else -}}
{{- .Values.replicaCount | int -}}
{{- end -}}
{{- end -}}

{{/* A duration of the settings in whole seconds, rounded up. */}}
{{- define "stock-service.seconds" -}}
{{- $number := regexFind "^[0-9.]+" (toString .) | float64 -}}
{{- $unit := regexFind "[a-z]+$" (toString .) | default "s" -}}
{{- mulf $number (get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit) | ceil | int -}}
{{- end -}}

{{/* How many pods there may be at once, the one of a rollout included: the store's absence must not multiply the budget. */}}
{{- define "stock-service.maxPods" -}}
{{- add 1 (ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled | int) -}}
{{- end -}}

{{/* Seconds from the first signal to SIGKILL: the pause before it, every step of the drain, and the margin. */}}
{{- define "stock-service.gracePeriod" -}}
{{- $sum := add (int .Values.shutdown.preStop) (int .Values.shutdown.margin) -}}
{{- range list "drainWait" "drainLinger" "drainFinish" -}}
{{- $sum = add $sum (include "stock-service.seconds" (get $.Values.config.server .) | int) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* Settings as environment: `quota.maxWait` becomes STOCKS_QUOTA__MAX_WAIT; null and "" leave the service's default. */}}
{{- define "stock-service.settings" -}}
{{- range $section, $fields := .Values.config }}
{{- range $field, $value := $fields }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: STOCKS_{{ $section | upper }}__{{ regexReplaceAll "([A-Z])" $field "_${1}" | upper }}
  value: {{ include "stock-service.plain" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the service is told: references to Secrets, what the chart knows, and the settings. */}}
{{- define "stock-service.environment" -}}
- name: STOCKS_SERVER__HOST
  value: 0.0.0.0
- name: STOCKS_SERVER__PORT
  value: "8080"
- name: STOCKS_UPSTREAM__API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.vendorKey.existingSecret }}
      key: {{ .Values.vendorKey.key }}
{{- if .Values.clientKeys.existingSecret }}
- name: STOCKS_ACCESS__KEYS_FILE
  value: /etc/stock-service/clients/{{ .Values.clientKeys.key }}
{{- end }}
{{- if .Values.sharedCache.existingSecret }}
- name: STOCKS_SHARED__URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.sharedCache.existingSecret }}
      key: {{ .Values.sharedCache.key }}
{{- else if .Values.sharedCache.url }}
- name: STOCKS_SHARED__URL
  value: {{ .Values.sharedCache.url | quote }}
{{- end }}
{{- if .Values.sharedCache.tls.existingSecret }}
- name: STOCKS_SHARED__CA_FILE
  value: /etc/stock-service/shared-cache/{{ .Values.sharedCache.tls.key }}
{{- end }}
- name: STOCKS_SHARED__MAX_PODS
  value: {{ include "stock-service.maxPods" . | quote }}
{{- include "stock-service.settings" . }}
{{- end -}}

{{/* Whether to render kinds of an operator: `auto` asks the cluster. Arguments: root, enabled, api. */}}
{{- define "stock-service.wanted" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has .api }}yes{{ end -}}
{{- else if .enabled -}}yes{{- end -}}
{{- end -}}

{{- define "stock-service.tlsSecret" -}}
{{- .Values.ingress.tls.secretName | default (printf "%s-tls" (include "stock-service.fullname" .)) -}}
{{- end -}}

{{/* Where pods may run, and with which right to pull images: the service's, and those of tests and backups, which would wait for ever on tainted nodes. */}}
{{- define "stock-service.nodes" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "stock-service.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stock-service.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What a schema cannot say: settings that are sound alone and wrong together. */}}
{{- define "stock-service.check" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts: an Ingress without a host answers for every name of the controller" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway that carries the route" -}}
{{- end -}}
{{- if and .Values.certificate.enabled (not (or .Values.certificate.dnsNames .Values.ingress.hosts)) -}}
{{- fail "certificate.enabled needs certificate.dnsNames or ingress.hosts" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (include "stock-service.minReplicas" . | int) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "the floor of %s replicas (replicaCount, autoscaling.minReplicas) is above autoscaling.maxReplicas %d" (include "stock-service.minReplicas" .) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and .Values.sharedCache.existingSecret .Values.sharedCache.url -}}
{{- fail "give the shared store's address once: sharedCache.existingSecret or sharedCache.url" -}}
{{- end -}}
{{- if not (or .Values.clientKeys.existingSecret .Values.config.access.allowAnonymous) -}}
{{- fail "nobody could ask: give clientKeys.existingSecret, or set config.access.allowAnonymous=true where every caller may spend the vendor key" -}}
{{- end -}}
{{- end -}}
