{{- define "plangate.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "plangate.labels" -}}
app.kubernetes.io/name: plangate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "plangate.selector" -}}
app.kubernetes.io/name: plangate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plangate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "plangate.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "plangate.name" . }}-settings
  - secretRef:
      name: {{ required "existingSecret: name the Secret with the settings that are secret" .Values.existingSecret }}
{{- end -}}

{{- define "plangate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
{{- end -}}

{{- define "plangate.closed" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
